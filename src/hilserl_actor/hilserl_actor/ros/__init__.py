"""Connects the control loop to topics and services."""

__all__ = [
    'clients',
    'last_episode',
    'learner_liveness',
    'sensors',
    'status_message',
    'weights_subscriber',
]
