"""One file per protocol: codec + line + profile -> batches."""
