"""DrQ-v2: configuration, losses, one update."""
