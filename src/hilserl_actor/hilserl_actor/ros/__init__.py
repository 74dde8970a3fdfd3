"""Connects the control loop to topics and services."""

__all__ = [
    'clients',
    'image_transport',
    'key_services',
    'last_episode',
    'leader_teleop',
    'learner_liveness',
    'loop_thread',
    'operator_services',
    'policy_client',
    'publisher_check',
    'screen_feed',
    'sensors',
    'status_message',
    'stop_keys',
    'weights_subscriber',
    'wiring',
]
