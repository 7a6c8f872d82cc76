"""Whole-chain runs with faults and kills."""
