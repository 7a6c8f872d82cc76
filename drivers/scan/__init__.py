"""Finding devices whose speed, parity and address nobody knows: what to ask next, and what the answers mean."""
