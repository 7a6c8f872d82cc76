"""Device simulators, written from the standards without the codecs under test."""
