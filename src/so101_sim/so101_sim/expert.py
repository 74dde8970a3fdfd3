"""Imitates a person who grasps a cube and may put it somewhere: the tool's desired velocity.

It knows what a human can see (both arms, the cube), not the follower's reference. With a clutch
that is enough: the leader moves by the distance that the follower still has to go.
"""

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
import math

import numpy as np

from so101_description.joints import GRIPPER_CLOSED, Floats

from .grasp_observation import Observation, is_aligned, is_put


@dataclass(frozen=True)
class OperatorConfig:
    """Behaviour of the scripted operator. Lengths m, angles rad, times s, in base_link."""

    # skill
    has_skill: bool = True  # false: it only places the cube and starts episodes
    speed: float = 0.2  # m/s, of the tool
    gripper_speed: float = 2.0  # rad/s
    gain: float = 4.0  # 1/s: desired speed per remaining distance
    perception_error: float = 0.0015  # standard deviation of the perceived cube position
    open: float = 0.6  # gripper angle during the approach
    grasp_offset: float = 0.021  # distance of the tool (fixed finger's face) before the cube
    hover: float = 0.05  # tool height over the table at the end of the approach
    grasp: float = 0.016  # tool height of the grasp; lower, the pads drag on the table
    lift: float = 0.12  # tool height after the lift
    low_lift: float = 0.0  # of the cube, in a near miss; 0: the task has no lift
    puts: bool = False  # it puts the cube onto a target
    release_height: float = 0.0  # of the cube over the target, when it opens the gripper
    accuracy: float = 0.003  # distance in x and y between cube and target before it lowers
    lowering: float = 0.06  # m/s, fastest
    fit: float = 0.0  # largest such distance at which it goes on lowering; 0: any
    # what an action of the task can do
    moves: tuple[bool, bool, bool] = (True, True, True)  # along x, y and z
    turns: bool = False  # it acts on pitch, roll or joints: the wrist is brought back, too
    pitch: float = math.pi / 2  # of the fingers below the horizontal, to which it is brought back
    roll: float = 0.0  # angle of the joint wrist_roll, likewise
    turn_speed: float = 1.0  # rad/s
    grasps_across: bool = False  # it turns the wrist until the jaw closes across the body
    delay: float = 0.0  # from an observation to the motion that uses it
    tremor: float = 0.0  # m/s, standard deviation of the unwanted motion
    tremor_time: float = 0.4  # correlation time of the unwanted motion
    steady: float = 0.25  # share of that motion which is left at precise work
    pauses: float = 0.0  # hesitations per second
    pause: tuple[float, float] = (0.3, 0.9)  # shortest and longest hesitation
    # decisions
    reaction: float = 0.3  # from the arm outside its region to the take-over
    confirm: float = 0.5  # from the cube lifted or lost to the outcome key
    marks_success: bool = True  # false: something else judges, and the operator never says success
    confirm_spread: float = 0.0  # up to this much later, drawn for each episode
    start_delay: tuple[float, float] = (0.3, 0.5)  # from READY to START
    clear: float = 0.12  # tool height from which the cube can be placed below the tool
    patience: float = 2.5  # time without progress before a take-over
    guide: float = 2.5  # length of an intervention without a grasp
    max_guide: float = 6.0  # length of an intervention with a grasp
    progress: float = 0.005  # smallest change of distance or height that counts as progress
    region_min: tuple[float, float, float] = (0.15, -0.11, 0.0)  # the tool's usual region
    region_max: tuple[float, float, float] = (0.34, 0.11, 0.20)
    area_min: tuple[float, float] = (0.16, -0.09)  # outside of this area the cube is lost
    area_max: tuple[float, float] = (0.34, 0.09)
    grabs: float = 0.5  # share of take-overs by a grab of the leader; the others use the key
    min_helpfulness: float = 0.05  # share of episodes with help when the policy needs none

    def like_human(self, share: float) -> 'OperatorConfig':
        """Return a copy with a share (0 to 1) of a person's delay, tremor, pauses and errors."""
        return replace(
            self,
            perception_error=self.perception_error + share * 0.001,
            delay=share * 0.1,
            tremor=share * 0.012,
            accuracy=self.accuracy + share * 0.004,
            pauses=share * 0.3,
            # a delayed operator must move slowly, or it oscillates around the cube
            gain=self.gain - share * 2.0,
            reaction=self.reaction + share * 0.2,
        )


CAREFUL = 0.004  # m in x and y to the place of the grasp; farther away it does not come down
PAN_AXIS = (0.0388, 0.0)  # m, x and y of the axis about which the arm turns


class Phase(Enum):
    """Phase of the grasp, and of putting down."""

    ABOVE = 'above'
    DESCEND = 'descend'
    CLOSE = 'close'
    LIFT = 'lift'
    CARRY = 'carry'
    LOWER = 'lower'
    RELEASE = 'release'
    RETREAT = 'retreat'


HOLDING = (Phase.CLOSE, Phase.LIFT, Phase.CARRY, Phase.LOWER)
PRECISE = (Phase.DESCEND, Phase.CLOSE, Phase.LOWER, Phase.RELEASE)
COMMITTED = (*HOLDING, Phase.RELEASE, Phase.RETREAT)  # a person does not stop in one of these


class Expert:
    """One grasp. Call `desired_velocity` a few times per second with the present observation."""

    _STILL = 0.25  # s without gripper motion that mean a grip

    def __init__(self, config: OperatorConfig, rng: np.random.Generator):
        self.config = config
        self.phase = Phase.ABOVE
        self._error = np.clip(
            rng.normal(0.0, config.perception_error, 2),
            -2 * config.perception_error,
            2 * config.perception_error,
        )
        self._gripper = math.inf
        self._still_since = 0.0
        self._rng = rng
        self._observations: deque[tuple[float, Observation]] = deque()
        self._tremor = np.zeros(3)
        self._before: float | None = None
        self._pause_until = 0.0

    def desired_velocity(
        self,
        now: float,
        tool: Floats,
        gripper: float,
        cube: Floats,
        target: Floats | None = None,
        forward: Floats | None = None,
        across: Floats | None = None,
    ) -> tuple[Floats, float]:
        """Return the desired velocity (3,) m/s of the follower's tool and gripper rate, rad/s.

        now: monotonic s; the others: those of an `Observation`.
        """
        cube = np.asarray(cube, np.float64)
        velocity, gripper_rate = self._grasp_velocity(
            now,
            self._delayed(now, Observation(tool, gripper, cube, target, forward, across)),
        )
        if now < self._pause_until:
            return np.zeros(3), 0.0
        precise = self.config.puts and self.phase in PRECISE
        share = self.config.steady if precise else 1.0
        return velocity + share * self._tremor_velocity(now), gripper_rate

    def _delayed(self, now: float, observation: Observation) -> Observation:
        """Return the observation of `delay` s ago."""
        self._observations.append((now, observation))
        while len(self._observations) > 1 and self._observations[1][0] <= now - self.config.delay:
            self._observations.popleft()
        return self._observations[0][1]

    def _tremor_velocity(self, now: float) -> Floats:
        """Return the unwanted velocity (3,) m/s (Ornstein-Uhlenbeck noise); may begin a pause."""
        config, period = self.config, now - (now if self._before is None else self._before)
        self._before = now
        if self._rng.random() < config.pauses * period:
            self._pause_until = now + self._rng.uniform(*config.pause)
        keep = math.exp(-period / config.tremor_time)
        self._tremor = keep * self._tremor + config.tremor * math.sqrt(
            1.0 - keep * keep
        ) * self._rng.standard_normal(3)
        return self._tremor

    def _grasp_velocity(self, now: float, seen: Observation) -> tuple[Floats, float]:
        config, (tool, gripper, cube, target, *_) = self.config, seen
        self._watch_gripper(now, gripper)
        self._choose_phase(now, seen)
        speed = config.speed
        side = self._grasp_point(seen) - tool[:2]
        if self.phase is Phase.ABOVE:
            # A low finger beside the cube would push the cube: move up first.
            blocked = tool[2] < 0.6 * config.hover and np.linalg.norm(side) > 0.02
            to = np.append(side * (not blocked), config.hover - tool[2])
        elif self.phase is Phase.DESCEND:
            to = np.append(side, config.grasp - tool[2])
            if config.fit and np.linalg.norm(side) > CAREFUL:
                to[2] = 0.0  # a finger would come down on the body
        elif self.phase is Phase.CARRY and target is not None:
            to = np.append((target - cube)[:2], config.lift - tool[2])
        elif self.phase is Phase.LOWER and target is not None:
            to = target + (0.0, 0.0, config.release_height) - cube
            if config.fit and math.hypot(*to[:2]) > config.fit:
                to[2] = 0.0  # it would come down beside the hole
            speed = config.lowering
        elif self.phase in (Phase.CLOSE, Phase.RELEASE):
            to = np.zeros(3)
        else:
            to = np.array([0.0, 0.0, config.lift - tool[2]])
        velocity = to * config.gain
        velocity *= min(1.0, speed / max(1e-9, float(np.linalg.norm(velocity))))
        if self.phase in HOLDING:
            return velocity, -config.gripper_speed
        return velocity, float(
            np.clip(
                config.gain * (config.open - gripper),
                -config.gripper_speed,
                config.gripper_speed,
            )
        )

    @staticmethod
    def forward(tool: Floats) -> Floats:
        """Return the horizontal direction (2,) from fixed finger to jaw, without a roll."""
        away = tool[:2] - PAN_AXIS
        direction: Floats = away / max(1e-9, float(np.linalg.norm(away)))
        return direction

    def _forward(self, seen: Observation) -> Floats:
        return self.forward(seen.tool) if seen.forward is None else seen.forward

    def _grasp_point(self, seen: Observation) -> Floats:
        forward = self._forward(seen)
        point: Floats = seen.cube[:2] + self._error - self.config.grasp_offset * forward
        return point

    def _watch_gripper(self, now: float, gripper: float) -> None:
        if abs(gripper - self._gripper) > 0.02:
            self._gripper, self._still_since = gripper, now

    def _choose_phase(self, now: float, seen: Observation) -> None:
        config, (tool, gripper, cube, target, *_) = self.config, seen
        away = float(np.linalg.norm(self._grasp_point(seen) - tool[:2]))
        forward, offset = self._forward(seen), cube[:2] - tool[:2]
        across = float(forward[0] * offset[1] - forward[1] * offset[0])
        between = -0.005 < forward @ offset < 0.045 and abs(across) < 0.012
        below = tool[2] - cube[2]  # how far the cube's middle is below the tool
        if self.phase is Phase.ABOVE:
            if self._is_put(cube, target):
                self._enter(Phase.RETREAT, now)
            elif between and below < 0.012 and gripper < config.open - 0.1:
                self._enter(Phase.CLOSE, now)
            elif (
                away < (CAREFUL if config.fit else 0.008)
                and gripper > 0.75 * config.open
                and is_aligned(seen)
            ):
                self._enter(Phase.DESCEND, now)
        elif self.phase is Phase.DESCEND:
            if away > 0.02:
                self._enter(Phase.ABOVE, now)
            elif tool[2] < config.grasp + 0.004 and away < 0.006:
                self._enter(Phase.CLOSE, now)
        elif self.phase is Phase.CLOSE:
            if not between:
                self._enter(Phase.ABOVE, now)
            elif now - self._still_since > self._STILL:
                self._enter(Phase.LIFT if gripper > GRIPPER_CLOSED + 0.1 else Phase.ABOVE, now)
        elif self.phase is Phase.RELEASE:
            if gripper > config.open - 0.15:
                self._enter(Phase.RETREAT, now)
        elif self.phase is Phase.RETREAT:
            if not self._is_put(cube, target) and now - self._still_since > 0.5:
                self._enter(Phase.ABOVE, now)
        elif below > 0.02 or not between:
            self._enter(Phase.ABOVE, now)
        elif config.puts and target is not None:
            self._choose_put_phase(now, tool, cube, target)

    def _choose_put_phase(self, now: float, tool: Floats, cube: Floats, target: Floats) -> None:
        """Choose the phase of a cube that is held."""
        config = self.config
        away = float(np.linalg.norm((target - cube)[:2]))
        if self.phase is Phase.LIFT and tool[2] > config.lift - 0.015:
            self._enter(Phase.CARRY, now)
        elif self.phase is Phase.CARRY and away < config.accuracy:
            self._enter(Phase.LOWER, now)
        elif self.phase is Phase.LOWER:
            if away > 5 * config.accuracy:
                self._enter(Phase.CARRY, now)
            elif cube[2] < target[2] + config.release_height + 0.002:
                self._enter(Phase.RELEASE, now)

    def _is_put(self, cube: Floats, target: Floats | None) -> bool:
        """Whether the cube is where it is to be put."""
        if not self.config.puts or target is None:
            return False
        return is_put(cube, target, self.config.release_height)

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self._still_since = phase, now
