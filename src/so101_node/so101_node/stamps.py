"""ROS times as ns."""


def to_ns(time) -> int:
    """A stamp (builtin_interfaces/Time) in ns."""
    return time.sec * 10**9 + time.nanosec
