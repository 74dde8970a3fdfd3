"""The control loop without ROS: modes, episodes, intervention, reset."""
