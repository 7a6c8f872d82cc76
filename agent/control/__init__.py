"""The local API: JSON lines on a UNIX socket, used by every local face."""
