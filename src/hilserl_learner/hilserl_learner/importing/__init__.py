"""Import of recordings as demonstrations."""

__all__ = [
    'conversion',
    'importer',
    'policy_snapshot',
    'recording',
    'repair',
    'segmentation',
    'stream',
    'summary',
]
