"""The operator's keys and screen."""

__all__ = [
    'announcements',
    'keyboard',
    'keyboard_teleop',
    'mode_texts',
    'screen',
    'status_line',
    'statuses',
    'terminal',
]
