"""What a run consists of, as data, and what starts it."""

__all__ = ['command', 'ros_launch']
