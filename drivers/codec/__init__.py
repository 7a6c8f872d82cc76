"""Sans-io codecs: bytes in, frames and noise out; never an exception, never a lost byte."""
