"""What a run consists of, as data, and what starts it."""

__all__ = [
    'arguments',
    'command',
    'keystore',
    'node_table',
    'plan',
    'rights',
    'ros_launch',
    'supervisor',
    'task_check',
]
