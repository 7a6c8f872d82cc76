"""Benches: wires, simulators, broker control, measurements. Starts the agent as a process, never imports it."""
