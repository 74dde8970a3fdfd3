"""The control loop without ROS: modes, episodes, intervention, reset."""

__all__ = [
    'control',
    'demonstration_quality',
    'episode',
    'episode_stats',
    'interfaces',
    'modes',
    'periodic_timer',
    'preflight',
]
