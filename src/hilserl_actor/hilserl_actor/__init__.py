"""The control loop, its nodes, and what starts the cell."""
