"""The algorithms: their protocol, configurations, losses and updates."""

__all__ = [
    'algorithm',
    'algorithm_name',
    'augmentation',
    'config',
    'drqv2',
    'finite',
    'precision',
    'sac',
]
