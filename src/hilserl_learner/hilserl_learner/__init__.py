"""The learner: agent, replay, training, imports, reports."""
