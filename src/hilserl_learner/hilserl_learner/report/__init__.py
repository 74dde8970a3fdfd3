"""One page on a run."""

__all__ = ['page', 'run_record']
