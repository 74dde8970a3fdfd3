"""The operator's keys and screen."""

__all__ = ['announcements', 'keyboard', 'keyboard_teleop', 'screen', 'status_line', 'statuses']
