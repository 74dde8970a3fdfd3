"""Converts ROS times to ns."""


def to_ns(time) -> int:
    """Return a stamp (builtin_interfaces/Time) in ns."""
    return time.sec * 10**9 + time.nanosec
