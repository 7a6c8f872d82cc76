"""What becomes of readings: gathered, sealed, committed, kept until receipted."""
