"""As much of ROS's `launch_ros` as executes our launch files."""
