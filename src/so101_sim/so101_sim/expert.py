"""How a person would grasp the cube: where the tool should go next, and the hand that takes it.

Sees what a human sees (both arms, the cube) and never the follower's commanded pose. The clutch
makes that enough: moving the leader by what the follower still lacks moves the follower there.
"""

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
import math

import numpy as np

from so101_description.joints import GRIPPER_CLOSED, LOWER, UPPER
from so101_description.kinematics import Kinematics


@dataclass(frozen=True)
class OperatorConfig:
    """How the scripted operator behaves. Lengths m, angles rad, times s, in base_link."""

    # skill
    speed: float = 0.2  # m/s, of the hand
    gripper_speed: float = 2.0  # rad/s
    eagerness: float = 4.0  # 1/s: speed asked for per distance left
    misjudgement: float = 0.0015  # standard deviation of where it believes the cube is
    open: float = 0.6  # gripper angle to approach with
    beside: float = 0.021  # the tool (fixed finger's face) stands this far before it
    hover: float = 0.05  # tool height over the table to arrive at
    grasp: float = 0.016  # tool height to close at; lower, the pads drag
    lift: float = 0.12  # tool height to lift to
    delay: float = 0.0  # from what is seen to the hand that acts on it
    tremor: float = 0.0  # m/s, standard deviation of the hand's unwanted motion ...
    tremor_time: float = 0.4  # ... and how long it goes one way
    pauses: float = 0.0  # hesitations a second ...
    pause: tuple[float, float] = (0.3, 0.9)  # ... and how long they are
    # judgement
    reaction: float = 0.3  # from seeing the arm go astray to taking over
    sure: float = 0.5  # from seeing the cube lifted or lost to saying so
    start_delay: tuple[float, float] = (0.3, 0.5)  # from READY to START
    clear: float = 0.12  # tool height from which the cube can be laid out under it
    patience: float = 2.5  # without progress before taking over
    guide: float = 2.5  # length of an intervention that has not grasped yet
    guide_most: float = 6.0  # length of any intervention
    progress: float = 0.005  # of distance or lift that counts as some
    region_min: tuple[float, float, float] = (0.15, -0.11, 0.0)  # the tool's sensible region
    region_max: tuple[float, float, float] = (0.34, 0.11, 0.20)
    lost: float = 0.09  # cube farther than this from the middle of its area, x or y
    cube_area: tuple[float, float] = (0.25, 0.0)
    lifted: float = 0.0525  # height of the cube's middle when it is lifted
    grabs: float = 0.5  # share of episodes in which it takes the leader, not the key
    rarely: float = 0.05  # share of episodes it helps in when it is not needed any more

    def like_human(self, share: float) -> 'OperatorConfig':
        """The same with a share of a person's hesitation, tremor, slowness and misjudgement."""
        return replace(
            self,
            misjudgement=self.misjudgement + share * 0.001,
            delay=share * 0.1,
            tremor=share * 0.012,
            pauses=share * 0.3,
            # who sees late moves slowly, or swings around the cube
            eagerness=self.eagerness - share * 2.0,
            reaction=self.reaction + share * 0.2,
        )


class Phase(Enum):
    """What the hand is about to do."""

    ABOVE = 'above'
    DESCEND = 'descend'
    CLOSE = 'close'
    LIFT = 'lift'


class Expert:
    """One grasp; `wish` is called a few times a second with what is seen now."""

    PITCH = math.pi / 2
    WRIST_ROLL = 0.0
    _STILL = 0.25  # s that the gripper must stand still to have a grip

    def __init__(self, config: OperatorConfig, rng: np.random.Generator):
        self.config = config
        self.phase = Phase.ABOVE
        self._error = np.clip(
            rng.normal(0.0, config.misjudgement, 2),
            -2 * config.misjudgement,
            2 * config.misjudgement,
        )
        self._gripper = math.inf
        self._still_since = 0.0
        self._rng = rng
        self._seen: deque[tuple] = deque()
        self._tremor = np.zeros(3)
        self._before: float | None = None
        self._pause_until = 0.0

    def wish(self, now: float, tool, gripper: float, cube) -> tuple[np.ndarray, float]:
        """Velocity (3,) m/s and gripper rate rad/s that the follower's tool should have.

        tool, cube: positions (3,) m; gripper: measured angle; now: s of a steady clock.
        """
        velocity, gripper_rate = self._skilled(now, *self._late(now, tool, gripper, cube))
        if now < self._pause_until:
            return np.zeros(3), 0.0
        return velocity + self._shake(now), gripper_rate

    def _late(self, now: float, tool, gripper: float, cube) -> tuple:
        """What was seen `delay` ago."""
        self._seen.append((now, (tool, gripper, cube)))
        while len(self._seen) > 1 and self._seen[1][0] <= now - self.config.delay:
            self._seen.popleft()
        return self._seen[0][1]

    def _shake(self, now: float) -> np.ndarray:
        """Unwanted velocity (3,) m/s: noise that lasts (Ornstein-Uhlenbeck); begins pauses."""
        config, period = self.config, now - (now if self._before is None else self._before)
        self._before = now
        if self._rng.random() < config.pauses * period:
            self._pause_until = now + self._rng.uniform(*config.pause)
        keep = math.exp(-period / config.tremor_time)
        self._tremor = keep * self._tremor + config.tremor * math.sqrt(
            1.0 - keep * keep
        ) * self._rng.standard_normal(3)
        return self._tremor

    def _skilled(self, now: float, tool, gripper: float, cube) -> tuple[np.ndarray, float]:
        config = self.config
        self._watch_gripper(now, gripper)
        self._choose_phase(now, tool, gripper, cube)
        side = self._grasp_point(cube) - tool[:2]
        if self.phase is Phase.ABOVE:
            # Low beside the cube the finger would push it: up first.
            blocked = tool[2] < 0.6 * config.hover and np.linalg.norm(side) > 0.02
            to = np.append(side * (not blocked), config.hover - tool[2])
        elif self.phase is Phase.DESCEND:
            to = np.append(side, config.grasp - tool[2])
        elif self.phase is Phase.CLOSE:
            to = np.zeros(3)
        else:
            to = np.array([0.0, 0.0, config.lift - tool[2]])
        velocity = to * config.eagerness
        velocity *= min(1.0, config.speed / max(1e-9, float(np.linalg.norm(velocity))))
        if self.phase in (Phase.CLOSE, Phase.LIFT):
            return velocity, -config.gripper_speed
        return velocity, float(
            np.clip(
                config.eagerness * (config.open - gripper),
                -config.gripper_speed,
                config.gripper_speed,
            )
        )

    def _grasp_point(self, cube) -> np.ndarray:
        return np.asarray(cube[:2]) + self._error - (self.config.beside, 0.0)

    def _watch_gripper(self, now: float, gripper: float) -> None:
        if abs(gripper - self._gripper) > 0.02:
            self._gripper, self._still_since = gripper, now

    def _choose_phase(self, now: float, tool, gripper: float, cube) -> None:
        config = self.config
        away = float(np.linalg.norm(self._grasp_point(cube) - tool[:2]))
        between = -0.005 < cube[0] - tool[0] < 0.045 and abs(cube[1] - tool[1]) < 0.012
        below = tool[2] - cube[2]  # how far the cube's middle is below the tool
        if self.phase is Phase.ABOVE:
            if between and below < 0.012 and gripper < config.open - 0.1:
                self._to(Phase.CLOSE, now)
            elif away < 0.008 and gripper > 0.75 * config.open:
                self._to(Phase.DESCEND, now)
        elif self.phase is Phase.DESCEND:
            if away > 0.02:
                self._to(Phase.ABOVE, now)
            elif tool[2] < config.grasp + 0.004 and away < 0.006:
                self._to(Phase.CLOSE, now)
        elif self.phase is Phase.CLOSE:
            if not between:
                self._to(Phase.ABOVE, now)
            elif now - self._still_since > self._STILL:
                self._to(Phase.LIFT if gripper > GRIPPER_CLOSED + 0.1 else Phase.ABOVE, now)
        elif below > 0.02 or not between:
            self._to(Phase.ABOVE, now)

    def _to(self, phase: Phase, now: float) -> None:
        self.phase, self._still_since = phase, now


class Hand:
    """The operator's hand on the leader: a wish becomes joint angles that it pulls to."""

    LEAD = 0.03  # m that the hand may be ahead of what the leader does

    def __init__(self, kinematics: Kinematics, leader):
        """Take hold of the leader where it is, (6,) rad."""
        self._kinematics = kinematics
        self._q = np.array(leader, np.float64)
        self._tool = kinematics.tool_pose(leader)[0]

    def move(self, velocity, gripper_rate: float, period: float, leader) -> np.ndarray:
        """Joint angles (6,) rad to pull the leader to, one `period` later."""
        here = self._kinematics.tool_pose(leader)[0]
        lead = self._tool + np.asarray(velocity) * period - here
        self._tool = here + lead * min(1.0, self.LEAD / max(1e-9, float(np.linalg.norm(lead))))
        gripper = np.clip(self._q[5] + gripper_rate * period, LOWER[5], UPPER[5])
        self._q = self._kinematics.solve(
            self._tool, Expert.PITCH, Expert.WRIST_ROLL, float(gripper), self._q
        ).q
        return self._q
