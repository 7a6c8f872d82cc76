"""Modbus RTU clients that ``hil.bench wire`` compares: each file is run as a process of its own."""
