"""What has to be in order before the arm may move.

Each check is '' or one line that says how to mend it. Runs in IDLE at each start, and
alone by `./cell preflight`.
"""

from dataclasses import dataclass
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np

from so101_node import names
from so101_node.errors import CellError

from ..loop.reset_motion import ABOVE

TWO = 1.3  # of the rate of one driver's joint states: there are two, on a busy machine
GHOST = 25.0  # s for which a driver that is no more may still be announced
_DRIVERS = [f'driver: {arm}' for arm in names.ARMS]  # names of their statuses
DARK, BRIGHT = 8, 247  # mean grey levels beyond which a picture shows nothing


@dataclass(frozen=True)
class Check:
    """One finding; `problem` is '' if it is in order."""

    what: str
    problem: str


class Preflight:
    """The checks of one actor node."""

    def __init__(self, node):
        self._node = node
        self._rate = 0.0  # of joint states, the most of one driver
        self._one_at = time.monotonic()  # when there was last one
        self._said: dict[str, tuple[bytes, str]] = {}  # by a driver of an arm in /diagnostics

    def note(self, message: DiagnosticArray) -> None:
        """Take in what the drivers say of their arms."""
        for status in message.status:
            name = names.of_cell(self._node.get_namespace(), status.name)
            if name in _DRIVERS:
                self._said[name] = status.level, status.message

    def run(self) -> list[Check]:
        """Look at everything once, a few ms. In the loop's thread."""
        node, role = self._node, self._node.role
        checks = [
            ('arms, camera and FK service', self._senses),
            ('no fault in a servo', self._faults),
            ('one cell only', self.alone),
            ('start pose', self._start_pose),
        ]
        if node.options.has_leader:
            checks.append(('leader arm', self._leader))
        if role in ('train', 'eval'):
            checks.append(('policy', self._policy))
        if role in ('train', 'record'):
            checks.append(('recording', self._recording))
        if node.options.reward == 'topic':
            checks.append(('reward', self._reward))
        return [Check(what, self._look(check)) for what, check in checks]

    @staticmethod
    def _look(check) -> str:
        try:
            return check() or ''
        except CellError as error:
            return str(error)

    def _senses(self) -> str:
        if not self._node.kinematics.ready():
            return 'the FK service is not there; start `kinematics`'
        sensed = self._node.senses.sense()
        for camera, image in zip(self._node.schema.cameras, sensed.images):
            grey = float(image.mean())
            if not DARK < grey < BRIGHT:
                return (
                    f'{camera.name} shows a mean grey of {grey:.0f} (between {DARK} and '
                    f'{BRIGHT} is a picture); uncover it or mend its exposure'
                )
        return ''

    def _faults(self) -> str:
        return '; '.join(
            f'{name.removeprefix("driver: ")}: {said}'
            for name, (level, said) in sorted(self._said.items())
            if level == DiagnosticStatus.ERROR
        )

    def alone(self) -> str:
        """Whether another cell talks on our topics; '' if not. Looked at while running, too.

        A driver that was killed stays announced for 20 s: two are two when both speak, or when
        they are announced for longer.
        """
        topic, now = names.JOINT_STATES.format(arm='follower'), time.monotonic()
        count, rate = self._node.count_publishers(topic), self._node.senses.follower_rate()
        if count < 2:
            self._rate, self._one_at = max(self._rate, rate), now
        elif rate > TWO * self._rate or now - self._one_at > GHOST:
            return (
                f'{count} drivers publish {topic}; end the other cell, or start one of them '
                'with namespace:='
            )
        return ''

    def _start_pose(self) -> str:
        schema, seed = self._node.schema, np.zeros(6)
        x, y, z = schema.start
        for point in ((x, y, ABOVE), (x, y, z)):
            seed = self._node.kinematics.solve(point, seed)  # raises what is out of reach
        return ''

    def _leader(self) -> str:
        return '' if 'leader' in self._node.senses.joints else 'no leader joint state yet'

    def _policy(self) -> str:
        loop, schema = self._node.loop, self._node.schema
        if loop.policy is None:
            return 'no policy yet (is the learner running?)'
        images = [np.zeros(camera.shape, np.uint8) for camera in schema.cameras]
        state = np.array(schema.state_offset, np.float32)
        action = loop.policy.act(images, state, 0.0, np.random.default_rng(0))
        loop.policy.reset()
        if action.shape != (len(schema.action_names),) or not np.isfinite(action).all():
            return f'policy version {loop.policy.version} answers {action}; take another one'
        return ''

    def _recording(self) -> str:
        if self._node.count_subscribers(names.STEP) == 0:
            return 'nobody records hilserl/step (is the learner running?)'
        return ''

    def _reward(self) -> str:
        return '' if self._node.senses.reward else 'nobody publishes hilserl/reward'


def table(checks: list[Check]) -> str:
    """Return the findings as lines for a terminal."""
    return '\n'.join(
        f'  {"ok  " if not c.problem else "FAIL"}  {c.what}'
        + (f': {c.problem}' if c.problem else '')
        for c in checks
    )
