"""The actor's inputs: newest images, joint states and reward signal, with a check of their age.

A missing or old input is an error that names it. No value is filled in.
"""

from collections import deque
import time
from typing import Any

import numpy as np
from sensor_msgs.msg import Image, JointState

from hilserl_core.contract.observation import crop_resize
from so101_description.joints import pack
from so101_interfaces.msg import Reward
from so101_node import names, qos
from so101_node.cdr import image_from_cdr
from so101_node.errors import CellError
from so101_node.stamps import to_ns

from ..loop.episode import Sensed
from ..loop.interfaces import RewardSignal

EXECUTION_TIME = 0.005  # s from a command to the driver's cycle that executes it
RATE_TIME = 1.0  # s over which joint states are counted
REWARD_AGE = 0.5  # s; an older reward signal is ignored


class Sensors:
    """Subscriptions, and one `poll()` in each tick."""

    def __init__(
        self,
        node,
        schema,
        kinematics,
        arms,
        max_image_age: float,
        max_state_age: float,
        reward_topic: bool,
    ):
        self._node, self._schema, self._kinematics, self._arms = node, schema, kinematics, arms
        self._max_image_age, self._max_state_age = max_image_age, max_state_age
        self._reward_topic = reward_topic
        self._images: dict[str, bytes] = {}  # the newest message of each camera
        # message, its stamp, and its image in the task's crop and size
        self._task_images: dict[str, tuple[bytes, int, np.ndarray]] = {}
        self.joints: dict[str, JointState] = {}
        self.reward: Reward | None = None
        self._arrivals: deque[float] = deque(
            maxlen=1000
        )  # s, arrivals of the follower's joint states
        # the follower's joint state, its joints, and the function that waits for its tool pose
        self._request: Any = None
        self.image_age = 0.0  # s, of the oldest image of the last poll()
        for camera in schema.cameras:
            node.create_subscription(
                Image,
                names.IMAGE.format(camera=camera.name),
                lambda data, name=camera.name: self._images.__setitem__(name, data),
                qos.SENSOR_SUB,
                raw=True,
            )
        for arm in names.ARMS:
            node.create_subscription(
                JointState,
                names.JOINT_STATES.format(arm=arm),
                lambda m, arm=arm: self._on_joints(arm, m),
                qos.SENSOR_SUB,
            )
        node.create_subscription(Reward, names.REWARD, self._on_reward, qos.SENSOR_SUB)

    def _on_joints(self, arm: str, message: JointState) -> None:
        self.joints[arm] = message
        if arm == 'follower':
            self._arrivals.append(time.monotonic())

    def follower_rate(self) -> float:
        """Return the rate of the follower's joint states over RATE_TIME, 1/s."""
        since = time.monotonic() - RATE_TIME
        return sum(at > since for at in list(self._arrivals)) / RATE_TIME

    def _on_reward(self, message: Reward) -> None:
        self.reward = message

    def request_tool(self) -> None:
        """Request the tool pose of the newest joint state, before the `poll` that needs it."""
        try:
            message = self.joints.get('follower')
            if message is None:
                raise CellError('no follower joint state yet')
            position = pack(message.name, message.position)
            self._request = message, position, self._kinematics.ask_tool(position)
        except CellError as error:
            self._request = error

    def images(self) -> list[np.ndarray]:
        """Return the newest images in the task's crop and size; CellError if one is missing."""
        return [self._task_image(camera)[1] for camera in self._schema.cameras]

    def _task_image(self, camera) -> tuple[int, np.ndarray]:
        """Return stamp (ns) and image of the newest message; each message is cropped once."""
        message = self._images.get(camera.name)
        if message is None:
            raise CellError(f'no {camera.name} image yet')
        if (
            camera.name not in self._task_images
            or self._task_images[camera.name][0] is not message
        ):
            stamp, image = image_from_cdr(message)
            self._task_images[camera.name] = message, stamp, crop_resize(image, camera)
        return self._task_images[camera.name][1:]

    def poll(self) -> Sensed:
        """Return the newest inputs; raises CellError that names a missing or old one."""
        if self._request is None:
            self.request_tool()
        request, self._request = self._request, None
        if isinstance(request, CellError):
            raise request
        message, follower, tool_answer = request
        tool = tool_answer()
        now = self._node.get_clock().now().nanoseconds
        self._check_age(
            'follower joint state', to_ns(message.header.stamp), now, self._max_state_age
        )
        self._check_executed(message)
        leader = self.leader(now)
        images, stamps = [], []
        for camera in self._schema.cameras:
            stamp, image = self._task_image(camera)
            self._check_age(f'{camera.name} image', stamp, now, self._max_image_age)
            images.append(image)
            stamps.append(stamp)
        self.image_age = (now - min(stamps)) * 1e-9
        return Sensed(now, tuple(images), tuple(stamps), follower, tool, leader)

    def leader(self, now: int) -> np.ndarray | None:
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

    @staticmethod
    def _check_age(what: str, stamp: int, now: int, limit: float) -> None:
        age = (now - stamp) * 1e-9
        if age > limit:
            raise CellError(
                f'{what} is {age * 1e3:.0f} ms old, over the limit of '
                f'{limit * 1e3:.0f} ms; the arm holds'
            )

    def reward_signal(self) -> RewardSignal:
        """Return the present reward signal."""
        if not self._reward_topic:
            return RewardSignal(0.0)  # the operator has not marked the episode yet
        message = self.reward
        if message is None:
            return RewardSignal()
        age = self._node.get_clock().now().nanoseconds - to_ns(message.header.stamp)
        return (
            RewardSignal(message.value, message.success)
            if age < REWARD_AGE * 1e9
            else RewardSignal()
        )
