"""The link between the arm and a learner on another host."""
