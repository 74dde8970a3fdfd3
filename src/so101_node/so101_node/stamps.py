"""Converts ROS times to ns."""

from typing import Protocol


class Time(Protocol):
    """A stamp: builtin_interfaces/Time."""

    sec: int
    nanosec: int


def to_ns(time: Time) -> int:
    """Return a stamp in ns."""
    return time.sec * 10**9 + time.nanosec
