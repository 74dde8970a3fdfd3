"""Evaluating a policy: which one, the episodes, the report."""

__all__ = ['runner', 'selection']
