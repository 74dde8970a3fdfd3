"""The arms on their servo buses, and the wrist camera."""
