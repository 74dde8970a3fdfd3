"""The fields of the status messages that the operator sees, as types without ROS.

`so101_interfaces` has the messages and the meaning of each field.
"""

from typing import Protocol


class ActorStatus(Protocol):
    """Read from so101_interfaces/msg/ActorStatus."""

    mode: str
    role: str
    episode: int
    step: int
    episode_s: float
    env_steps: int
    episodes: int
    wanted: int
    successes: int
    alone: int
    success_rate: float
    interventions: int
    intervention_share: float
    sigma: float
    streak: int
    policy_version: int
    policy_sha256: str
    period_ms_p50: float
    period_ms_p99: float
    missed_ticks: int
    observation_age_ms: float
    dropped_steps: int
    saturation: float
    limited: str
    message: str
    hint: str
    reward_source: str
    success_probability: float


class LearnerStatus(Protocol):
    """Read from so101_interfaces/msg/LearnerStatus."""

    state: str
    updates: int
    updates_per_s: float
    update_ratio: float
    target_ratio: float
    replay_steps: int
    prior_steps: int
    rejected_steps: int
    checkpoint: str
    episodes: int
    recent_episodes: int
    recent_alone: int
