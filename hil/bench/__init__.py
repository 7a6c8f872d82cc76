"""Measurements: `python -m hil.bench NAME` prints figures."""
