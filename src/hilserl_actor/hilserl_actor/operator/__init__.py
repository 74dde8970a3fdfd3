"""The operator's keys and screen."""

__all__ = [
    'announcements',
    'figures',
    'keyboard',
    'keyboard_teleop',
    'mode_texts',
    'screen',
    'status_line',
    'statuses',
    'success_text',
    'terminal',
]
