"""What every node of the suite stands on: start and end, parameters, names, QoS, errors."""
