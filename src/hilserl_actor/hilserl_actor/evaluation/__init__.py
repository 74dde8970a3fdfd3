"""Evaluates policies: selects them, runs their episodes, writes the report."""

__all__ = ['runner', 'selection']
