"""What the actor sees: the newest image, joint states and judgement, and whether they are fresh.

Nothing is ever filled in: what is missing or too old is an error that names it.
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

OBEYED = 0.005  # s from a command to the driver's cycle that carries it out
RATE_TIME = 1.0  # s over which joint states are counted
REWARD_AGE = 0.5  # s; an older judgement is about another moment


class Sensors:
    """Subscriptions, and one `poll()` a tick."""

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
        # message, its stamp, and what the task sees of it
        self._pictures: dict[str, tuple[bytes, int, np.ndarray]] = {}
        self.joints: dict[str, JointState] = {}
        self.reward: Reward | None = None
        self._heard: deque[float] = deque(maxlen=1000)  # s, when the follower reported
        # the follower's joint state, position, and the function that waits for its tool
        self._asked: Any = None
        self.image_age = 0.0  # s, oldest frame of the last poll()
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
            self._heard.append(time.monotonic())

    def follower_rate(self) -> float:
        """Joint states of the follower a second, lately."""
        since = time.monotonic() - RATE_TIME
        return sum(at > since for at in list(self._heard)) / RATE_TIME

    def _on_reward(self, message: Reward) -> None:
        self.reward = message

    def ask(self) -> None:
        """Ask the FK service of the newest joint state, ahead of the `poll` that needs it."""
        try:
            message = self.joints.get('follower')
            if message is None:
                raise CellError('no follower joint state yet')
            position = pack(message.name, message.position)
            self._asked = message, position, self._kinematics.ask_tool(position)
        except CellError as error:
            self._asked = error

    def pictures(self) -> list[np.ndarray]:
        """The newest frames as the task sees them; CellError if one is missing or unknown."""
        return [self._picture(camera)[1] for camera in self._schema.cameras]

    def _picture(self, camera) -> tuple[int, np.ndarray]:
        """Stamp (ns) and pixels of the newest frame; a frame is cropped once."""
        frame = self._images.get(camera.name)
        if frame is None:
            raise CellError(f'no {camera.name} image yet')
        if camera.name not in self._pictures or self._pictures[camera.name][0] is not frame:
            stamp, image = image_from_cdr(frame)
            self._pictures[camera.name] = frame, stamp, crop_resize(image, camera)
        return self._pictures[camera.name][1:]

    def poll(self) -> Sensed:
        """Return the newest of everything; CellError names what is missing or too old."""
        if self._asked is None:
            self.ask()
        asked, self._asked = self._asked, None
        if isinstance(asked, CellError):
            raise asked
        message, follower, where = asked
        tool = where()
        now = self._node.get_clock().now().nanoseconds
        self._check_age(
            'follower joint state', to_ns(message.header.stamp), now, self._max_state_age
        )
        self._check_obeyed(message)
        leader = self.leader(now)
        images, stamps = [], []
        for camera in self._schema.cameras:
            stamp, image = self._picture(camera)
            self._check_age(f'{camera.name} image', stamp, now, self._max_image_age)
            images.append(image)
            stamps.append(stamp)
        self.image_age = (now - min(stamps)) * 1e-9
        return Sensed(now, tuple(images), tuple(stamps), follower, tool, leader)

    def leader(self, now: int) -> np.ndarray | None:
        """The leader's joints (6,) rad; None: there is none. CellError if they are too old."""
        message = self.joints.get('leader')
        if message is None:
            return None
        self._check_age(
            'leader joint state', to_ns(message.header.stamp), now, self._max_state_age
        )
        return pack(message.name, message.position)

    def _check_obeyed(self, message: JointState) -> None:
        """A driver that died on the last command has not executed the action: no step of that."""
        late = (self._arms.sent - to_ns(message.header.stamp)) * 1e-9
        if late > -OBEYED:
            raise CellError(
                f'follower joint state is {late * 1e3:.0f} ms older than the last '
                'command: it may not have been carried out; the arm holds'
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
        """Return what the reward source says now."""
        if not self._reward_topic:
            return RewardSignal(0.0)  # the operator judges; no mark yet is "not done"
        message = self.reward
        if message is None:
            return RewardSignal()
        age = self._node.get_clock().now().nanoseconds - to_ns(message.header.stamp)
        return (
            RewardSignal(message.value, message.success)
            if age < REWARD_AGE * 1e9
            else RewardSignal()
        )
