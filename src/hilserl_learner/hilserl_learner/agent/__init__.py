"""DrQ-v2: configuration, losses, one update."""

__all__ = ['config', 'drqv2']
