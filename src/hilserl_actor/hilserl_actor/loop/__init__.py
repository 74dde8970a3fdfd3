"""The control loop without ROS: modes, episodes, intervention, reset."""

__all__ = [
    'active_policy',
    'blocked_joint',
    'control',
    'demonstration_quality',
    'driver_link',
    'episode',
    'episode_runner',
    'episode_stats',
    'frozen_sensors',
    'interfaces',
    'modes',
    'periodic_timer',
    'preflight',
    'readiness',
    'reset_motion',
    'slowness',
    'target_policy',
]
