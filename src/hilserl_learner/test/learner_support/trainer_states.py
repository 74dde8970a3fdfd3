"""The state of a trainer that made some updates and took no step."""

from typing import Any

import numpy as np

from hilserl_learner.training.checkpoint_state import TrainerState


def trainer_state(updates: int, **changed: Any) -> TrainerState:
    fields = {
        'updates': updates,
        'env_steps': 0,
        'version': 1,
        'episodes': 0,
        'credited': 0,
        'paced_updates': 0,
        'rng': np.random.default_rng(0).bit_generator.state,
        'options': {},
        'outcomes': [],
        'success': 0.0,
        'success_episodes': 0,
    }
    return TrainerState(**fields | changed)
