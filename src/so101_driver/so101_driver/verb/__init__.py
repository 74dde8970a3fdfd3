"""The verbs of this package, one per module."""
