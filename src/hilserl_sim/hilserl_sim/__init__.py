"""The whole cell in one process and in simulated time, without ROS messages."""

import so101_sim  # noqa: F401  before MuJoCo: it chooses the renderer
