"""What actor and learner share: the task contract, steps in bags, the policy."""
