"""Byte streams: serial, TCP, memory, and a tap that records any of them."""
