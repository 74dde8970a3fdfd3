"""Import of recordings as demonstrations."""

__all__ = ['importer', 'policy_snapshot', 'recording', 'repair', 'summary']
