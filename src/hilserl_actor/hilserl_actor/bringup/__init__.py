"""What a run consists of, as data, and what starts it."""

__all__ = [
    'arguments',
    'command',
    'keystore',
    'node_table',
    'rights',
    'ros_launch',
    'task_check',
]
