"""The scripted operator without ROS: what a human at the bench does, and when.

It intervenes as often as the policy needs it, marks the outcome after a human's delay, and places
the cube between episodes.
"""

from collections import deque
from dataclasses import dataclass, replace
from math import cos, radians, sin

import numpy as np

from hilserl_core.contract.tasks import read_task
from so101_description.action_space import GRIPPER, TRANSLATIONS
from so101_description.joints import Floats
from so101_description.kinematics import Kinematics
from so101_node.errors import CellError
from so101_node.modes import Mode

from .expert import COMMITTED, HOLDING, Expert, OperatorConfig
from .grasp_observation import roll_across
from .leader_input import LeaderInput
from .near_miss import NearMiss, low_lift
from .scene import scene_of
from .worlds import find_world

EPISODE = (Mode.POLICY, Mode.HUMAN, Mode.EVAL)
MEMORY = 20  # episodes
DRIVES = ('demonstrate', 'near_miss')  # roles that drive every episode
PERIOD = 0.05  # s between two calls of `act`
PUSH = np.array([0.3, 0.0, 0.0, 0.0, 0.0, 0.0])  # rad, on the mirroring leader
PUSH_TIME = 2.0  # s of pushing after which the key is pressed instead
ANOTHER = 0.05  # m between two observations: the task is about another cube now
AGAIN = 1.0  # s after which a key without effect is pressed again


@dataclass(frozen=True)
class OperatorObservation:
    """Mode and successes of the actor, joints (6,) rad, positions of cube and target (3,) m.

    success: whether a person sees that the task is done: the world says so. yaw: of the cube about
    z, rad.
    """

    mode: str
    successes: int
    follower: Floats
    leader: Floats | None
    cube: Floats
    success: bool = False
    target: Floats | None = None
    yaw: float = 0.0


@dataclass(frozen=True)
class OperatorAction:
    """A key ('place', 'start', 'intervene', 'release', 'success', 'failure') and a pull."""

    key: str = ''  # '': none
    leader_pull: Floats | None = None  # (6,) rad to pull the leader to; None: release it


def operator_for(task: str, world: str) -> OperatorConfig:
    """Return the operator's behaviour for a task in a world."""
    simulation, usual = scene_of(task).simulation, _usual(task)
    area, skill = simulation.area, simulation.skill
    config = replace(
        usual,
        area_min=area.min,
        area_max=area.max,
        region_min=(area.min[0] - 0.01, area.min[1] - 0.02, usual.region_min[2]),
        region_max=(area.max[0], area.max[1] + 0.02, usual.region_max[2]),
    )
    if not skill:
        config = replace(config, has_skill=False)
    else:
        config = replace(
            config,
            grasp=skill.grasp_height,
            hover=skill.grasp_height + usual.hover - usual.grasp,
            lift=skill.lift,
            puts=bool(skill.onto),
            release_height=skill.release_height,
            max_guide=(2.0 if skill.onto else 1.0) * usual.max_guide,
            low_lift=low_lift(simulation),
            grasps_across=skill.turn,
            fit=skill.fit,
        )
    return config.like_human(find_world(world).human)


def _usual(task: str) -> OperatorConfig:
    """Return the usual behaviour, with what an action of the task can do."""
    found = read_task(task)
    axes = found.action.scales()
    turning = set(axes) - {*TRANSLATIONS, GRIPPER}
    x, y, z = (name in axes or bool(found.action.joints) for name in TRANSLATIONS)
    return OperatorConfig(
        moves=(x, y, z),
        turns=bool(turning),
        pitch=radians(found.start.pitch),
        roll=radians(found.start.roll),
    )


class ScriptedOperator:
    """Simulates a human in one of the roles of ROLES; call `act` every PERIOD."""

    def __init__(self, role: str, seed: int, config: OperatorConfig = OperatorConfig()):  # noqa: B008
        if role in DRIVES and not config.has_skill:
            raise CellError(
                'the task has no sim.skill, so the scripted operator cannot demonstrate it; add '
                'one, or use operator:=person'
            )
        self.role, self.config = role if config.has_skill else 'watch', config
        self.cube_placed = False  # the caller sets it when the key 'place' has succeeded
        self._rng = np.random.default_rng(seed)
        self._kinematics = Kinematics()
        self._mode, self._mode_since = '', 0.0
        self._pressed: dict[str, float] = {}  # key -> when
        self._holds_since: dict[str, float] = {}  # condition -> time since which it holds
        self._alone: deque[bool] = deque(maxlen=MEMORY)  # each episode: success without help
        self._successes = 0
        self._helped = self._helpful = self._grabs = self._released = False
        self._start_delay = 0.0
        self._expert: Expert | None = None
        self._attempts = 0  # near misses so far
        self._confirm = config.confirm
        self._leader_input: LeaderInput | None = None
        self._roll: float | None = None  # rad, to which it turns the wrist; None: the start's

    @property
    def helpfulness(self) -> float:
        """Share of episodes in which it may intervene: those that the policy fails without help.

        Successes with help do not count, otherwise the operator would stop while it is needed.
        """
        return max(self.config.min_helpfulness, 1.0 - sum(self._alone) / MEMORY)

    def act(self, now: float, observation: OperatorObservation) -> OperatorAction:
        """Return the action for this observation. now: monotonic s."""
        if observation.mode != self._mode:
            self._enter(now, observation)
        tool = self._kinematics.tool_pose(observation.follower)[0]
        if observation.mode == Mode.RESET and tool[2] > self.config.clear and not self.cube_placed:
            return self._press('place', now)
        if observation.mode == Mode.READY:
            if not self.cube_placed:
                return self._press('place', now)
            if now - self._mode_since > self._start_delay:
                return self._press('start', now)
        if observation.mode not in (Mode.POLICY, Mode.HUMAN):
            return OperatorAction()
        outcome = self._outcome(now, observation)
        if observation.mode == Mode.HUMAN:
            return self._drive(now, observation, tool, outcome)
        if not outcome and self.role == 'intervene' and self._should_help(now, observation, tool):
            return self._take_over(now, observation)
        return self._press(outcome, now) if outcome else OperatorAction()

    # --- keys --------------------------------------------------------------------------------
    def _press(self, key: str, now: float, leader_pull: Floats | None = None) -> OperatorAction:
        if now - self._pressed.get(key, -AGAIN) < AGAIN:
            return OperatorAction(leader_pull=leader_pull)
        self._pressed[key] = now
        return OperatorAction(key, leader_pull)

    def _held_for(self, condition: str, holds: bool, now: float) -> float:
        """Return how long the condition has held, s."""
        if not holds:
            self._holds_since.pop(condition, None)
            return 0.0
        return now - self._holds_since.setdefault(condition, now)

    # --- modes -------------------------------------------------------------------------------
    def _enter(self, now: float, observation: OperatorObservation) -> None:
        before, self._mode, self._mode_since = self._mode, observation.mode, now
        self._pressed.clear()
        self._holds_since.clear()
        self._leader_input = self._roll = None
        if before in EPISODE and observation.mode not in EPISODE:
            self._alone.append(observation.successes > self._successes and not self._helped)
            self.cube_placed = False
        if observation.mode == Mode.READY:
            self._start_delay = self._rng.uniform(*self.config.start_delay)
        if observation.mode in EPISODE and before not in EPISODE:
            self._successes, self._helped = observation.successes, False
            self._helpful = bool(self._rng.random() < self.helpfulness)
            self._grabs = bool(self._rng.random() < self.config.grabs)
            if self.config.confirm_spread:
                spread = self._rng.uniform(0.0, self.config.confirm_spread)
                self._confirm = self.config.confirm + spread
        if observation.mode == Mode.POLICY:
            self._best, self._cube = np.full(3, np.inf), observation.cube
            self._progress_at = now
        if observation.mode == Mode.HUMAN:
            self._helped, self._released = True, False
            if self.role == 'near_miss':
                low = self.config.low_lift if self._attempts % 2 else 0.0
                self._expert = NearMiss(self.config, self._rng, low)
                self._attempts += 1
            else:
                self._expert = Expert(self.config, self._rng)

    def _outcome(self, now: float, observation: OperatorObservation) -> str:
        """Return 'success', 'failure', or '' while the outcome is not certain."""
        config = self.config
        success = config.marks_success and observation.success
        if self._held_for('success', success, now) > self._confirm:
            return 'success'
        at = observation.cube[:2]
        lost = bool(
            (at < config.area_min).any() or (at > config.area_max).any() or observation.cube[2] < 0
        )
        if self._held_for('lost', lost, now) > self._confirm:
            return 'failure'
        return ''

    def _should_help(self, now: float, observation: OperatorObservation, tool: Floats) -> bool:
        config = self.config
        cube, target = observation.cube, observation.target
        to_target = 0.0 if target is None else float(np.linalg.norm(target - cube))
        if np.linalg.norm(cube - self._cube) > ANOTHER:
            self._best = np.full(3, np.inf)
        self._cube = cube
        left = np.array([np.linalg.norm(cube - tool), -cube[2], to_target])
        better = left < self._best - config.progress
        if better.any():
            self._best = np.where(better, left, self._best)
            self._progress_at = now
        outside = bool((tool < config.region_min).any() or (tool > config.region_max).any())
        astray = self._held_for('outside', outside, now) > config.reaction
        return self._helpful and (astray or now - self._progress_at > config.patience)

    def _take_over(self, now: float, observation: OperatorObservation) -> OperatorAction:
        """Push the leader or press the key; press the key too if the push has no effect."""
        if (
            self._grabs
            and observation.leader is not None
            and self._held_for('push', True, now) < PUSH_TIME
        ):
            return OperatorAction(leader_pull=observation.leader + PUSH)
        self._grabs = False
        return self._press('intervene', now)

    def _drive(
        self, now: float, observation: OperatorObservation, tool: Floats, outcome: str
    ) -> OperatorAction:
        if observation.leader is None or self._released or self._expert is None:
            return OperatorAction()
        if self._leader_input is None:
            self._leader_input = LeaderInput(self._kinematics, observation.leader, self.config)
        follower, forward, across = observation.follower, None, None
        if self.config.turns or self.config.roll:
            jaw = self._kinematics.tool_pose(follower)[1][:2, 2]
            forward = jaw / max(1e-9, float(np.linalg.norm(jaw)))
        if self.config.grasps_across and forward is not None:
            across = np.array([-sin(observation.yaw), cos(observation.yaw)])
            if self._roll is None or self._expert.phase not in HOLDING:
                self._roll = roll_across(float(follower[4]), forward, observation.yaw)
        velocity, gripper_rate = self._expert.desired_velocity(
            now, tool, follower[5], observation.cube, observation.target, forward, across
        )
        if isinstance(self._expert, NearMiss):
            over = self._expert.is_over(tool)
            if self._held_for('over', over, now) > self._confirm:
                outcome = outcome or 'failure'
        if self.config.turns:
            self._leader_input.turn(follower, PERIOD, observation.leader, self._roll)
        leader_pull = self._leader_input.move(velocity, gripper_rate, PERIOD, observation.leader)
        guided = now - self._mode_since
        grasping = self._expert.phase in COMMITTED
        if (
            not outcome
            and self.role == 'intervene'
            and guided > (self.config.max_guide if grasping else self.config.guide)
        ):
            outcome = 'release'
            if self._grabs:
                self._released = True
                return OperatorAction()
        return (
            self._press(outcome, now, leader_pull)
            if outcome
            else OperatorAction(leader_pull=leader_pull)
        )
