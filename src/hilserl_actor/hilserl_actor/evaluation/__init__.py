"""Evaluating a policy: which one, the episodes, the report."""
