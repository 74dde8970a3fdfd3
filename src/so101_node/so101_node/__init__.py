"""The node base of the suite: start and end of a node, options, names, QoS, errors, verbs."""
