"""The policy: its networks, its bundle of bytes, its exploration noise."""
