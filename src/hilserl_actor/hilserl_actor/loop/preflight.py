"""The checks that must pass before the arm may move.

Each check returns '', or one line with the problem and the remedy. They run in IDLE at each start,
and in `./cell preflight`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import time
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.task import TaskSchema
from so101_node import names
from so101_node.errors import CellError

from .active_policy import DrivingPolicy
from .diagnosed import Diagnosed
from .episode import Sensed
from .interfaces import Joints
from .reset_motion import ABOVE, plan
from .target_policy import TargetPolicy

TWO_DRIVERS = 1.3  # times the rate of one driver's joint states: there are two drivers
DISCOVERY_TIME = 25.0  # s for which discovery may still list a killed node
POLICY = 'policy'  # a check that needs the learner, which starts last
DARK, BRIGHT = 8, 247  # limits of the mean grey level of a usable image


@dataclass(frozen=True)
class Check:
    """The result of one check; `problem` is '' if it passed."""

    what: str
    problem: str


class CheckedKinematics(Protocol):
    """What the checks read of the FK service."""

    def ready(self) -> bool:
        """Return whether it can answer."""
        ...

    def solve(self, position: npt.NDArray[np.float64], seed: Joints) -> Joints:
        """Return the joints (6,) that bring the tool to a position (3,) m."""
        ...

    def contact(self, path: npt.NDArray[np.float64]) -> str:
        """Return a sentence about the first contact on a joint path (N, 6), or ''."""
        ...


class CheckedSensors(Protocol):
    """What the checks read of the cell's sensors."""

    @property
    def joints(self) -> Mapping[str, object]:
        """The last joint state of each arm."""
        ...

    @property
    def reward(self) -> object | None:
        """The last message of the reward source."""
        ...

    def poll(self) -> Sensed:
        """Return the newest inputs; raises CellError that names a missing or old one."""
        ...

    def follower_rate(self) -> float:
        """Return the rate of the follower's joint states, 1/s."""
        ...


@dataclass(frozen=True)
class PreflightInputs:
    """What the checks read. Functions return values that change."""

    schema: TaskSchema
    kinematics: CheckedKinematics
    sensors: CheckedSensors
    policy: Callable[[], DrivingPolicy | None]
    count_drivers: Callable[[], int]  # number of publishers of the follower's joint states
    count_recorders: Callable[[], int]  # number of subscribers to steps
    command_problem: Callable[[], str]  # why the driver does not obey this actor, or ''
    # a sentence on topics of the cell with more than one publisher, or ''
    publisher_problem: Callable[[], str] = str
    limits_problem: Callable[[], str] = str  # joint limits that differ between nodes, or ''


class Preflight:
    """The checks of one cell. leader, reward_topic: whether it has them."""

    def __init__(self, cell: PreflightInputs, role: str, leader: bool, reward_topic: bool):
        self._cell, self._role = cell, role
        self._leader_wanted, self._reward_wanted = leader, reward_topic
        self._rate = 0.0  # highest rate of one driver's joint states, 1/s
        self._one_at = time.monotonic()  # s, when discovery last counted one driver
        self.diagnosed = Diagnosed()

    def run(self) -> list[Check]:
        """Run all checks once; takes a few ms. Call it in the loop's thread."""
        checks = [
            ('arms, camera and FK service', self._sensors),
            ('no fault in a servo', self.diagnosed.faults),
            ('steady links', self._links),
            ('one cell only', self.second_cell_problem),
            ('command of the arms', self._cell.command_problem),
            ('one publisher of a topic', self._cell.publisher_problem),
            ('joint limits', self._cell.limits_problem),
            ('start pose and the way to it', self._start_pose),
        ]
        if self._role == 'preflight':
            checks.append(('rate of the camera', self.diagnosed.slow_cameras))
        if self._leader_wanted:
            checks.append(('leader arm', self._leader))
        if self._role in ('train', 'eval'):
            checks.append((POLICY, self._policy))
        if self._role in ('train', 'record'):
            checks.append(('recording', self._recording))
        if self._reward_wanted:
            checks.append(('reward', self._reward))
        return [Check(what, self._problem_of(check)) for what, check in checks]

    @staticmethod
    def _problem_of(check: Callable[[], str]) -> str:
        try:
            return check()
        except CellError as error:
            return str(error)

    def _sensors(self) -> str:
        if not self._cell.kinematics.ready():
            return 'the FK service does not run; start `kinematics`'
        sensed = self._cell.sensors.poll()
        for camera, image in zip(self._cell.schema.cameras, sensed.images):
            grey = float(image.mean())
            if not DARK < grey < BRIGHT:
                return (
                    f'{camera.name}: the mean grey level is {grey:.0f}, outside {DARK} to '
                    f'{BRIGHT}; uncover the camera or correct its exposure'
                )
        return ''

    def _links(self) -> str:
        return self.diagnosed.unsteady_links(strict=self._role == 'preflight')

    def second_cell_problem(self) -> str:
        """Return a sentence if a second cell uses our topics, else ''. Also called while running.

        Discovery counts a killed driver for 20 s more. So two drivers are counted only if both
        publish, or if discovery reports them for longer.
        """
        topic, now = names.JOINT_STATES.format(arm='follower'), time.monotonic()
        count, rate = self._cell.count_drivers(), self._cell.sensors.follower_rate()
        if count < 2:
            self._rate, self._one_at = max(self._rate, rate), now
        elif rate > TWO_DRIVERS * self._rate or now - self._one_at > DISCOVERY_TIME:
            return (
                f'{count} drivers publish {topic}; end the other cell, or start one of them '
                'with namespace:='
            )
        return ''

    def publisher_problem(self) -> str:
        """Return a sentence on topics with more than one publisher. Also called while running."""
        return self._cell.publisher_problem()

    def _start_pose(self) -> str:
        solve, contact = self._cell.kinematics.solve, self._cell.kinematics.contact
        seed = np.zeros(6)
        x, y, z = self._cell.schema.start
        for point in ((x, y, ABOVE), (x, y, z)):
            # raises CellError for a point out of reach
            seed = solve(np.array(point), seed)
        try:
            sensed = self._cell.sensors.poll()
        except CellError:
            return ''  # the first check tells
        rng = np.random.default_rng(0)
        # raises CellError for a path with a contact, or one that takes too long
        plan(self._cell.schema, sensed.position, sensed.tool, solve, contact, rng)
        return ''

    def _leader(self) -> str:
        return '' if 'leader' in self._cell.sensors.joints else 'no leader joint state yet'

    def _policy(self) -> str:
        policy, schema = self._cell.policy(), self._cell.schema
        if policy is None:
            return 'no policy yet: the learner learns from demonstrations first, or is not running'
        if isinstance(policy, TargetPolicy):
            return policy.problem()
        images = [np.zeros(camera.shape, np.uint8) for camera in schema.cameras]
        state = np.array(schema.state_offset, np.float32)
        action = policy.act(images, state, 0.0, np.random.default_rng(0))
        policy.reset()
        if action.shape != (len(schema.action_names),) or not np.isfinite(action).all():
            return (
                f'policy version {policy.version} returns the action {action}; use another policy'
            )
        return ''

    def _recording(self) -> str:
        if self._cell.count_recorders() == 0:
            return f'no node records {names.STEP} (is the learner running?)'
        return ''

    def _reward(self) -> str:
        return '' if self._cell.sensors.reward else f'no node publishes {names.REWARD}'


def limits_problem(driver: str, kinematics: str) -> str:
    """Return a sentence if driver and FK service have different joint limits, else ''.

    The arguments are their options joint_limits; '' if one is not known.
    """
    if not (driver and kinematics) or driver == kinematics:
        return ''
    return (
        f'the driver has joint_limits {driver}, the FK service {kinematics}; start both with the '
        'same, as in joint_limits:=model without the name of a node'
    )


def table(checks: list[Check]) -> str:
    """Return the results as lines for a terminal."""
    return '\n'.join(
        f'  {"ok  " if not c.problem else "FAIL"}  {c.what}'
        + (f': {c.problem}' if c.problem else '')
        for c in checks
    )
