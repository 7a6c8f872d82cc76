"""How blocks get to a platform: whose turn it is, what the broker said."""
