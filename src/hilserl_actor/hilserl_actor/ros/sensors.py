"""The actor's inputs: newest images, joint states and reward signal, with a check of their age.

A missing or old input is an error that names it. No value is filled in.
"""

from collections import deque
from collections.abc import Callable
from math import nan
import time

import cv2  # noqa: F401  # crop_resize uses it: import it before the loop runs
import numpy as np
import numpy.typing as npt
from rclpy.clock import Clock
from sensor_msgs.msg import JointState

from hilserl_core.contract.observation import crop_resize, nearest_together
from hilserl_core.contract.task import CameraSpec, TaskSchema
from so101_description.joints import pack
from so101_interfaces.msg import Reward
from so101_node.errors import CellError
from so101_node.refusals import short
from so101_node.run_id import RunFilter
from so101_node.stamps import to_ns

from ..loop.episode import Sensed
from ..loop.frozen_sensors import FrozenSensors
from ..loop.interfaces import RewardSignal
from .clients import Joints, ServiceKinematics, TopicArms
from .image_transport import RAW, ImageTransport

AFTER_STAMP = 12  # bytes of a serialised message before the end of its stamp
FUTURE = 0.05  # s that a stamp may be ahead of this clock
EXECUTION_TIME = 0.005  # s from a command to the driver's cycle that executes it
RATE_TIME = 1.0  # s over which joint states are counted
REFUSAL_TIME = 1.0  # s for which a refused message explains a missing one
KEPT_IMAGES = 8  # of each camera, if there are several
REWARD_AGE = 0.5  # s; an older reward signal is ignored
# the follower's joint state, its joints, and the function that waits for its tool pose
ToolRequest = tuple[JointState, Joints, Callable[[], npt.NDArray[np.float64]]] | CellError


class Sensors:
    """Receives the messages; one `poll()` in each tick.

    max_image_age, max_state_age, max_skew: s, the last between the images of two cameras.
    patience: factor of all other ages.
    """

    def __init__(
        self,
        schema: TaskSchema,
        kinematics: ServiceKinematics,
        arms: TopicArms,
        clock: Clock,
        max_image_age: float,
        max_state_age: float,
        max_skew: float,
        reward_topic: bool,
        run: RunFilter,
        patience: float = 1.0,
        transport: ImageTransport = RAW,
    ):
        self._transport = transport
        self._reward_age = REWARD_AGE * patience
        self._schema, self._kinematics, self._arms = schema, kinematics, arms
        self._clock = clock
        self._max_image_age, self._max_state_age = max_image_age, max_state_age
        self._max_skew = max_skew
        self._reward_topic, self._run = reward_topic, run
        self._cameras = {camera.name: camera for camera in schema.cameras}
        # stamp (ns) and message of each camera's newest images
        kept = KEPT_IMAGES if len(schema.cameras) > 1 else 1
        self._images: dict[str, deque[tuple[int, bytes]]] = {
            camera.name: deque(maxlen=kept) for camera in schema.cameras
        }
        self._arrived: dict[str, float] = {}  # s, monotonic, of the newest message of each input
        self._refused: dict[str, tuple[float, str]] = {}  # when and why a newer one was refused
        # message, its stamp, and its image in the task's crop and size
        self._task_images: dict[str, tuple[bytes, int, npt.NDArray[np.uint8]]] = {}
        self.joints: dict[str, JointState] = {}
        self.reward: Reward | None = None
        # s, arrivals of the follower's joint states
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._request: ToolRequest | None = None
        self.frozen = FrozenSensors(patience=patience)
        arms.on_executed = self.frozen.note_target
        self.image_age = 0.0  # s, of the oldest image of the last poll()
        self.image_skew = 0.0  # s, from its oldest to its newest image

    def on_image(self, camera: str, message: bytes) -> None:
        """Store the serialised message of a camera."""
        try:
            stamp = self._transport.check(message, self._cameras[camera])
        except CellError as error:
            self._refused[f'{camera} image'] = time.monotonic(), str(error)
            raise
        if self._is_acceptable(f'{camera} image', stamp):
            images = self._images[camera]
            if images and stamp < images[-1][0]:  # the clock was set
                images.clear()
            images.append((stamp, message))
            self.frozen.note_image(camera, message[AFTER_STAMP:])

    def on_joints(self, arm: str, message: JointState) -> None:
        """Store the joint state of an arm; CellError if it is none."""
        pack(message.name, message.position)
        if not self._is_acceptable(f'{arm} joint state', to_ns(message.header.stamp)):
            return
        self.joints[arm] = message
        if arm == 'follower':
            self._arrivals.append(time.monotonic())
            self._note_for_frozen(message)

    def _note_for_frozen(self, message: JointState) -> None:
        try:
            position = pack(message.name, message.position)
        except CellError:
            return  # the tick reports it
        numbers = (message.position, message.velocity, message.effort)
        self.frozen.note_joints(position, b''.join(bytes(memoryview(n)) for n in numbers))

    def _is_acceptable(self, what: str, stamp: int) -> bool:
        """Note the arrival of an input; False if its stamp (ns) is in the future."""
        now, ahead = time.monotonic(), (stamp - self._clock.now().nanoseconds) * 1e-9
        if ahead > FUTURE:
            self._refused[what] = (
                now,
                f'the newest {what} is stamped {ahead:.2f} s in the future (limit {FUTURE} s); '
                'set the clocks of both computers',
            )
            return False
        self._arrived[what] = now
        return True

    def follower_rate(self) -> float:
        """Return the rate of the follower's joint states over RATE_TIME, 1/s."""
        since = time.monotonic() - RATE_TIME
        return sum(at > since for at in list(self._arrivals)) / RATE_TIME

    def on_reward(self, message: Reward) -> None:
        """Store the reward; CellError if it is of another run."""
        if not np.isfinite(message.value):
            raise CellError(f'the reward is {message.value}')
        if message.run_id != self._run.run_id:
            own = self._run.run_id
            raise CellError(self._run.problem(message.run_id) if own else 'this run has no id yet')
        if self._is_acceptable('reward', to_ns(message.header.stamp)):
            self.reward = message

    def request_tool(self) -> None:
        """Request the tool pose of the newest joint state, before the `poll` that needs it."""
        self._request = self._ask_tool()

    def _ask_tool(self) -> ToolRequest:
        try:
            message = self.joints.get('follower')
            if message is None:
                raise CellError(
                    'no follower joint state yet' + self._refusal_of('follower joint state')
                )
            position = pack(message.name, message.position)
            return message, position, self._kinematics.ask_tool(position)
        except CellError as error:
            return error

    def images(self) -> list[npt.NDArray[np.uint8]]:
        """Return the newest images in the task's crop and size; CellError if one is missing."""
        return [self._task_image(*pair)[1] for pair in self._newest_together()]

    def _newest_together(self) -> list[tuple[CameraSpec, bytes]]:
        """Return each camera with the newest message that is near to those of the others."""
        kept = []
        for camera in self._schema.cameras:
            kept.append(list(self._images[camera.name]))
            if not kept[-1]:
                what = f'{camera.name} image'
                raise CellError(f'no {what} yet' + self._refusal_of(what))
        places = nearest_together([[stamp for stamp, _ in found] for found in kept])
        return [
            (camera, found[place][1])
            for camera, found, place in zip(self._schema.cameras, kept, places)
        ]

    def _task_image(self, camera: CameraSpec, message: bytes) -> tuple[int, npt.NDArray[np.uint8]]:
        """Return stamp (ns) and image of a message; each message is cropped once."""
        if (
            camera.name not in self._task_images
            or self._task_images[camera.name][0] is not message
        ):
            stamp, image = self._transport.read(message)
            self._task_images[camera.name] = message, stamp, crop_resize(image, camera)
        return self._task_images[camera.name][1:]

    def poll(self) -> Sensed:
        """Return the newest inputs; raises CellError that names a missing or old one."""
        request, self._request = self._request or self._ask_tool(), None
        if isinstance(request, CellError):
            raise request
        message, follower, tool_answer = request
        tool = tool_answer()
        now = self._clock.now().nanoseconds
        self._check_age(
            'follower joint state', to_ns(message.header.stamp), now, self._max_state_age
        )
        self._check_executed(message)
        if problem := self.frozen.problem():
            raise CellError(problem)
        leader = self.leader(now)
        images, stamps = [], []
        for camera, image_message in self._newest_together():
            stamp, image = self._task_image(camera, image_message)
            self._check_age(f'{camera.name} image', stamp, now, self._max_image_age)
            images.append(image)
            stamps.append(stamp)
        self.image_age = (now - min(stamps)) * 1e-9
        self._check_skew(stamps)
        return Sensed(now, tuple(images), tuple(stamps), follower, tool, leader)

    def _check_skew(self, stamps: list[int]) -> None:
        """CellError if the images of this tick are too far apart in time. stamps: ns."""
        self.image_skew = (max(stamps) - min(stamps)) * 1e-9
        if self.image_skew > self._max_skew:
            old, new = (self._schema.cameras[stamps.index(of(stamps))].name for of in (min, max))
            raise CellError(
                f'{old} image is {self.image_skew * 1e3:.0f} ms older than that of {new}, over '
                f'the limit of {self._max_skew * 1e3:.0f} ms; raise the rate of {old}, or '
                'max_skew; the arm holds'
            )

    def leader(self, now: int) -> Joints | None:
        """Return the leader's joints (6,) rad; None: no leader. CellError if they are too old."""
        message = self.joints.get('leader')
        if message is None:
            return None
        self._check_age(
            'leader joint state', to_ns(message.header.stamp), now, self._max_state_age
        )
        return pack(message.name, message.position)

    def _check_executed(self, message: JointState) -> None:
        """If the driver died before it executed the last command, the step must be dropped."""
        late = (self._arms.sent - to_ns(message.header.stamp)) * 1e-9
        if late > -EXECUTION_TIME:
            raise CellError(
                f'follower joint state is {late * 1e3:.0f} ms older than the last '
                'command; the command may not have been executed; the arm holds'
            )

    def _check_age(self, what: str, stamp: int, now: int, limit: float) -> None:
        """Raise CellError if an input is too old, by its stamp or by its arrival."""
        age = (now - stamp) * 1e-9
        if age < -FUTURE:
            raise CellError(
                f'{what} is stamped {-age:.2f} s in the future (limit {FUTURE} s); the arm holds; '
                'set the clocks'
            )
        age = max(age, time.monotonic() - self._arrived.get(what, 0.0))
        if age > limit:
            raise CellError(
                f'{what} is {age * 1e3:.0f} ms old, over the limit of '
                f'{limit * 1e3:.0f} ms; the arm holds' + self._refusal_of(what)
            )

    def _refusal_of(self, what: str) -> str:
        """Return why newer messages of an input are refused, or ''."""
        at, sentence = self._refused.get(what, (-REFUSAL_TIME, ''))
        return f'; {sentence}' if time.monotonic() - at < REFUSAL_TIME else ''

    @property
    def judge(self) -> tuple[str, float]:
        """Who gives the reward, and the probability of success, NaN if that is not known."""
        if not self._reward_topic:
            return 'operator', nan
        message = self.reward
        if message is None:
            return '', nan
        return short(message.source, 60), message.probability if message.sure else nan

    def reward_signal(self) -> RewardSignal:
        """Return the present reward signal."""
        if not self._reward_topic:
            return RewardSignal(0.0)  # the operator has not marked the episode yet
        message = self.reward
        if message is None:
            return RewardSignal()
        try:
            stamp, now = to_ns(message.header.stamp), self._clock.now().nanoseconds
            self._check_age('reward', stamp, now, self._reward_age)
        except CellError:
            return RewardSignal()
        return RewardSignal(message.value, message.success)
