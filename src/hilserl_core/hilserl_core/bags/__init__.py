"""Steps in rosbag2 bags: serialise, write, read, label."""
