"""Steps in rosbag2 bags: serialise, write, read, label."""

__all__ = [
    'cdr',
    'episode_bag',
    'episode_list',
    'foreign_bag',
    'labels',
    'mcap',
    'recorder',
    'recovery',
]
