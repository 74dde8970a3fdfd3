"""Recordings become demonstrations."""
