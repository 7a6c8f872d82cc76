"""The signed record: format version 1 of the sealed block, writer and verifier."""
