"""What connects the control loop to topics and services."""
