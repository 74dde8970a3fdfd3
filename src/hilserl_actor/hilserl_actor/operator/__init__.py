"""The operator's keys and screen."""
