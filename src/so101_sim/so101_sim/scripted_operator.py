"""The scripted operator without ROS: what a human at the bench does, and when.

It helps as often as the policy still needs it, marks the outcome after a human's delay, and places
the cube between episodes. `act` returns each action as a `Deed`.
"""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from so101_description.kinematics import Kinematics
from so101_node.modes import Mode

from .expert import Expert, Hand, OperatorConfig, Phase
from .layouts import find_layout
from .worlds import find_world

EPISODE = (Mode.POLICY, Mode.HUMAN, Mode.EVAL)
MEMORY = 20  # episodes
PERIOD = 0.05  # s between two calls of `act`
PUSH = np.array([0.3, 0.0, 0.0, 0.0, 0.0, 0.0])  # rad, of the leader that mirrors
PUSH_TIME = 2.0  # s after which the key is pressed instead
AGAIN = 1.0  # s after which a key that changed nothing is pressed again


@dataclass(frozen=True)
class Seen:
    """What there is to be seen: mode and tally of the actor, joints (6,) rad, the cube (3,) m."""

    mode: str
    successes: int
    follower: np.ndarray
    leader: np.ndarray | None
    cube: np.ndarray


@dataclass(frozen=True)
class Deed:
    """A key ('place', 'start', 'intervene', 'release', 'success', 'failure') and the hand."""

    key: str = ''
    hand: np.ndarray | None = None  # (6,) rad, where it pulls the leader; None: hands off


def operator_for(task: str, world: str) -> OperatorConfig:
    """How the operator of a task behaves in a world."""
    layout, usual = find_layout(task), OperatorConfig()
    more = layout.cube_range - find_layout('grasp_lift').cube_range
    low, high = np.array(usual.region_min), np.array(usual.region_max)
    return replace(
        usual,
        lost=layout.lost,
        region_min=tuple(low - (more, more, 0.0)),
        region_max=tuple(high + (more, more, 0.0)),
    ).like_human(find_world(world).human)


class Operator:
    """A stand-in human in one of ROLES; call `act` every PERIOD."""

    def __init__(self, role: str, seed: int, config: OperatorConfig = OperatorConfig()):  # noqa: B008
        self.role, self.config = role, config
        self.placed = False  # set by whoever presses 'place', when it worked
        self._rng = np.random.default_rng(seed)
        self._kinematics = Kinematics()
        self._mode, self._mode_since = '', 0.0
        self._pressed: dict[str, float] = {}  # key -> when
        self._seen_since: dict[str, float] = {}  # condition -> since when it holds
        self._alone: deque[bool] = deque(
            maxlen=MEMORY
        )  # whether each episode succeeded without help
        self._successes = 0
        self._helped = self._helpful = self._grabs = self._let_go = False
        self._start_delay = 0.0
        self._expert: Expert | None = None
        self._hand: Hand | None = None

    @property
    def helpfulness(self) -> float:
        """Share of episodes in which it is ready to help: what the policy does not do alone.

        Success rates that count its own successes would tell it to stop while it does the work.
        """
        return max(self.config.rarely, 1.0 - sum(self._alone) / MEMORY)

    def act(self, now: float, seen: Seen) -> Deed:
        """What it does now (s of a steady clock)."""
        if seen.mode != self._mode:
            self._enter(now, seen)
        tool = self._kinematics.tool_pose(seen.follower)[0]
        if seen.mode == Mode.RESET and tool[2] > self.config.clear and not self.placed:
            return self._press('place', now)
        if seen.mode == Mode.READY:
            if not self.placed:
                return self._press('place', now)
            if now - self._mode_since > self._start_delay:
                return self._press('start', now)
        if seen.mode not in (Mode.POLICY, Mode.HUMAN):
            return Deed()
        outcome = self._outcome(now, seen)
        if seen.mode == Mode.HUMAN:
            return self._drive(now, seen, tool, outcome)
        if not outcome and self.role == 'intervene' and self._wants_to_help(now, seen, tool):
            return self._take_over(now, seen)
        return self._press(outcome, now) if outcome else Deed()

    # --- keys --------------------------------------------------------------------------------
    def _press(self, key: str, now: float, hand=None) -> Deed:
        if now - self._pressed.get(key, -AGAIN) < AGAIN:
            return Deed(hand=hand)
        self._pressed[key] = now
        return Deed(key, hand)

    def _for(self, condition: str, holds: bool, now: float) -> float:
        """How long this has been so, s."""
        if not holds:
            self._seen_since.pop(condition, None)
            return 0.0
        return now - self._seen_since.setdefault(condition, now)

    # --- modes -------------------------------------------------------------------------------
    def _enter(self, now: float, seen: Seen) -> None:
        before, self._mode, self._mode_since = self._mode, seen.mode, now
        self._pressed.clear()
        self._seen_since.clear()
        self._hand = None
        if before in EPISODE and seen.mode not in EPISODE:
            self._alone.append(seen.successes > self._successes and not self._helped)
            self.placed = False
        if seen.mode == Mode.READY:
            self._start_delay = self._rng.uniform(*self.config.start_delay)
        if seen.mode in EPISODE and before not in EPISODE:
            self._successes, self._helped = seen.successes, False
            self._helpful = bool(self._rng.random() < self.helpfulness)
            self._grabs = bool(self._rng.random() < self.config.grabs)
        if seen.mode == Mode.POLICY:
            self._best = np.array([np.inf, np.inf])
            self._progress_at = now
        if seen.mode == Mode.HUMAN:
            self._helped, self._let_go = True, False
            self._expert = Expert(self.config, self._rng)

    def _outcome(self, now: float, seen: Seen) -> str:
        """'success', 'failure', or '' while neither is certain."""
        config = self.config
        if self._for('lifted', seen.cube[2] > config.lifted, now) > config.sure:
            return 'success'
        away = np.abs(seen.cube[:2] - config.cube_area).max()
        if self._for('lost', away > config.lost or seen.cube[2] < 0.0, now) > config.sure:
            return 'failure'
        return ''

    def _wants_to_help(self, now: float, seen: Seen, tool) -> bool:
        config = self.config
        left = np.array([np.linalg.norm(seen.cube - tool), -seen.cube[2]])
        better = left < self._best - config.progress
        if better.any():
            self._best = np.where(better, left, self._best)
            self._progress_at = now
        outside = bool((tool < config.region_min).any() or (tool > config.region_max).any())
        astray = self._for('outside', outside, now) > config.reaction
        return self._helpful and (astray or now - self._progress_at > config.patience)

    def _take_over(self, now: float, seen: Seen) -> Deed:
        """By the key, or by pushing the leader; by the key as well if the push is not felt."""
        if self._grabs and seen.leader is not None and self._for('push', True, now) < PUSH_TIME:
            return Deed(hand=seen.leader + PUSH)
        self._grabs = False
        return self._press('intervene', now)

    def _drive(self, now: float, seen: Seen, tool, outcome: str) -> Deed:
        if seen.leader is None or self._let_go or self._expert is None:
            return Deed()
        if self._hand is None:
            self._hand = Hand(self._kinematics, seen.leader)
        velocity, gripper_rate = self._expert.wish(now, tool, seen.follower[5], seen.cube)
        hand = self._hand.move(velocity, gripper_rate, PERIOD, seen.leader)
        guided = now - self._mode_since
        grasping = self._expert.phase in (Phase.CLOSE, Phase.LIFT)
        if (
            not outcome
            and self.role == 'intervene'
            and guided > (self.config.guide_most if grasping else self.config.guide)
        ):
            outcome = 'release'
            if self._grabs:
                self._let_go = True
                return Deed()
        return self._press(outcome, now, hand) if outcome else Deed(hand=hand)
