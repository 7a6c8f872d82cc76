"""What a command may do, and what is remembered of it."""
