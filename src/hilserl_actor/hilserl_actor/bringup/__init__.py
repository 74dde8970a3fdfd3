"""What a run consists of, as data, and what starts it."""

__all__ = [
    'arguments',
    'command',
    'console_link',
    'keystore',
    'learn_plan',
    'node_table',
    'options',
    'plan',
    'rights',
    'ros_launch',
    'session_part',
    'supervisor',
    'task_check',
]
