"""Connects the control loop to topics and services."""

__all__ = [
    'clients',
    'last_episode',
    'learner_liveness',
    'loop_thread',
    'operator_services',
    'publisher_check',
    'sensors',
    'status_message',
    'stop_keys',
    'weights_subscriber',
    'wiring',
]
