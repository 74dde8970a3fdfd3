"""The discrete gripper's loss: HIL-SERL's grasp critic, a double DQN over close, hold and open.

Its choices are the rounded numbers of the action's last place: -1, 0 and 1. An action that a
human gave counts as the nearest of them.
"""

import torch
from torch.nn import functional as F

from hilserl_core.policy.networks import Gripper

from ..replay.batch import Batch
from .config import AgentConfig
from .cuda_graph import Scalar
from .trained_networks import CloneTarget, cloned

MARGIN = 0.1  # of Q, by which a human's choice is to lead where it is cloned


def choice(action: torch.Tensor) -> torch.Tensor:
    """Index (B, 1) of the choice in actions (B, A): 0 closes, 1 holds, 2 opens."""
    return action[:, -1:].round().long() + 1


def gripper_loss(
    gripper: Gripper,
    target: Gripper,
    batch: Batch,
    features: torch.Tensor,
    next_features: torch.Tensor,
    config: AgentConfig,
    bc: Scalar,
    dtype: torch.dtype,
    clone: CloneTarget,
) -> torch.Tensor:
    """Squared error of Q to the n-step target, plus `bc` times the cloning loss.

    The cloning loss is DQfD's large margin (Hester et al. 2018): the Q of the choice to clone is
    to exceed the others by `MARGIN`. Q remains a return, which a cross entropy would not allow.
    """
    values: torch.Tensor = gripper(features, batch.state, dtype)
    chosen = values.gather(1, choice(batch.action))
    with torch.no_grad():
        best = gripper(next_features, batch.next_state, dtype).argmax(1, keepdim=True)
        following = target(next_features, batch.next_state, dtype).gather(1, best)
        goal = batch.reward[:, None] + batch.discount[:, None] * following
        goal = goal.clamp(config.target_low, config.target_high)
    wanted = choice(clone.action)
    others = torch.full_like(values, MARGIN).scatter(1, wanted, 0.0)
    behind = (values + others).amax(1) - values.gather(1, wanted)[:, 0]
    cloning = (behind * clone.weight).sum() / cloned(clone.weight)
    return F.mse_loss(chosen, goal) + bc * cloning
