"""Fixtures of these tests."""

from actor_support.running_actor import bench, cell  # noqa: F401
