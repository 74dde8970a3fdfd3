"""Recordings become demonstrations."""

__all__ = ['importer', 'policy_snapshot', 'recording', 'repair']
