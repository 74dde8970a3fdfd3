"""Decides each action: by the policy with its exploration noise, or by the human."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.steps import Source
from so101_node.modes import Mode

from .active_policy import ActivePolicy
from .episode import Sensed
from .interfaces import Action, Joints
from .take_over import TakeOver
from .target_policy import TargetPolicy


@dataclass
class Decision:
    """An action and its source."""

    action: Action
    source: Source
    version: int = 0
    sigma: float = 0.0


class Decider:
    """Decides by the mode's source. sigma: exploration noise as a function of the run's steps."""

    def __init__(
        self,
        active: ActivePolicy,
        take_over: TakeOver,
        sigma: Callable[[int], float],
        seed: int,
    ):
        self._active, self._take_over, self._schedule = active, take_over, sigma
        self._rng = np.random.default_rng(seed)
        self.sigma = 0.0  # of the policy's last action

    def decide(
        self,
        mode: Mode,
        sensed: Sensed,
        state: npt.NDArray[np.float32],
        reference: Joints,
        env_steps: int,
    ) -> Decision:
        """Return the decision of this tick. Raises CellError if the human's action is missing."""
        if mode is Mode.HUMAN:
            action = self._take_over.action(sensed.leader, reference)
            if self._active.policy is not None:
                self._active.policy.note(list(sensed.images))
            return Decision(action, Source.HUMAN)
        policy = self._active.policy
        assert policy is not None  # the preflight checks it
        if isinstance(policy, TargetPolicy):
            self.sigma = 0.0
            return Decision(policy.action(sensed, reference), Source.POLICY)
        self.sigma = 0.0 if mode is Mode.EVAL else self._schedule(env_steps)
        action = policy.act(list(sensed.images), state, self.sigma, self._rng)
        return Decision(action, Source.POLICY, policy.version, self.sigma)
