"""Drivers of the two arms on their servo buses, and of the wrist camera."""
