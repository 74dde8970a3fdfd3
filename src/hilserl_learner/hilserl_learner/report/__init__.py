"""The report of a run, one page."""

__all__ = ['page', 'run_record']
