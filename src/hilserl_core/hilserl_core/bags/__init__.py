"""Steps in rosbag2 bags: serialise, write, read, label."""

__all__ = [
    'cdr',
    'episode_bag',
    'foreign_bag',
    'labels',
    'mcap',
    'recorder',
    'recovery',
]
