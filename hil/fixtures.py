"""Pytest plugin of the benches."""
