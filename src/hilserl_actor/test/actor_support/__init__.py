"""Support code of this package's tests."""
