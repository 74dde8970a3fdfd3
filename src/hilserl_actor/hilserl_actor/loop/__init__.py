"""The control loop without ROS: modes, episodes, intervention, reset."""

__all__ = [
    'blocked_joint',
    'control',
    'demonstration_quality',
    'driver_link',
    'episode',
    'episode_stats',
    'frozen_sensors',
    'interfaces',
    'modes',
    'periodic_timer',
    'preflight',
    'readiness',
    'reset_motion',
    'slowness',
]
