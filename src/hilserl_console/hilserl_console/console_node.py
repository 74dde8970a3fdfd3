"""The console node: a page in the browser that shows the cell, has its keys and moves its leader.

Its server runs in a thread of its own (`server.py`). The node has low priority: it must not cost
the control loop a tick. Stops go to the driver directly, as from the terminal.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
import os
import signal
import sys
import time
from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from hilserl_actor.bringup.console_link import link_in, make_link, port_and_token
from hilserl_actor.bringup.session_part import part_in
from hilserl_actor.operator.keyboard import keys_of as services_of
from hilserl_actor.operator.screen import Screen
from hilserl_actor.options import BY_KEYS
from hilserl_actor.ros.image_transport import COMPRESSED, RAW, ImageTransport
from hilserl_actor.ros.key_services import KeyServices
from hilserl_actor.ros.screen_feed import ScreenFeed
from hilserl_core.contract.task import TaskSchema
from so101_description.joints import pack
from so101_interfaces.msg import Task
from so101_node import names, qos
from so101_node.guarded import reason
from so101_node.modes import Mode
from so101_node.ros_node import SWITCH_INTERVAL, CellNode

from .access import LOOPBACK, Access
from .arm_model import arm_model
from .driving import Driving
from .guide import guide
from .options import ConsoleOptions
from .pictures import Pictures, crop_box
from .server import ConsoleServer
from .view import END, NO_DRIVING, Trends, drive_keys, keys_of, state

NICENESS = 5  # above the ordinary: the loop, the learner and the operator's keys go first
STATE_PERIOD, POSE_PERIOD = 0.25, 0.1  # s
JOINTS_OF = ('follower', 'leader')


class ConsoleNode(CellNode):
    """`console`: serves the page."""

    OPTIONS = ConsoleOptions
    options: ConsoleOptions

    def __init__(self) -> None:
        super().__init__('console')
        sys.setswitchinterval(SWITCH_INTERVAL)
        link = link_in(os.environ)
        self._has_launcher = bool(link)
        host = self.options.console_host
        link = link or make_link(host, self.options.console_port)
        port, token = port_and_token(link)
        teleop = self.options.teleop
        self._screen, self._trends, self._rate = Screen(teleop), Trends(), 10.0
        self._task: dict[str, Any] = {'task': ''}
        self._instruction = 'the task'
        self._joints: dict[str, bytes] = {}  # serialised joint states
        self._pictures = Pictures()
        transports = dict.fromkeys(self.options.shown_cameras, RAW)
        transports |= dict.fromkeys(self.options.compressed_cameras, COMPRESSED)
        for camera, transport in transports.items():
            self._pictures.add_camera(camera, transport.read)
        self._model = arm_model()
        self._part = part_in(os.environ)
        feed = ScreenFeed(self, self._screen, self._trends.note)
        self._keys = KeyServices(self, services_of(teleop), self._show, feed.mode)
        leader = None
        if teleop in BY_KEYS:
            from hilserl_actor.ros.leader_teleop import LeaderTeleop

            leader = LeaderTeleop(self)
        self._mode = feed.mode
        driving = Driving(leader, NO_DRIVING.get(teleop, ''), self._pause)
        self.server = ConsoleServer(
            Access(token, port, LOOPBACK if host in LOOPBACK else ()),
            self._pictures,
            driving,
            self._hello,
            self._press,
        )
        self._subscribe(transports)
        self.create_timer(STATE_PERIOD, self._publish_state)
        self.create_timer(POSE_PERIOD, self._publish_pose)
        if not self._has_launcher:
            print(f'console: {link}', flush=True)
        self.guard(self._serve, host, port)
        # From here on: the server's thread must release the leader in time, callbacks can wait.
        os.nice(NICENESS)

    def _subscribe(self, transports: Mapping[str, ImageTransport]) -> None:
        for camera, transport in transports.items():
            self.create_subscription(
                transport.kind,
                transport.topic.format(camera=camera),
                partial(self._on_image, camera),
                qos.SENSOR_SUB,
                raw=True,
            )
        for arm in JOINTS_OF:
            topic = names.JOINT_STATES.format(arm=arm)
            self.create_subscription(
                JointState, topic, partial(self._on_joints, arm), qos.SENSOR_SUB, raw=True
            )
        target = names.JOINT_TARGETS.format(arm='follower')
        self.create_subscription(
            JointState, target, partial(self._on_joints, 'reference'), qos.SENSOR_SUB, raw=True
        )
        self.create_subscription(Task, names.TASK, self._on_task, qos.LATCHED)

    def _serve(self, host: str, port: int) -> None:
        asyncio.run(self.server.serve(host, port, self.stop_event.is_set))

    # -- from the cell -------------------------------------------------------------------------

    def _on_image(self, camera: str, message: bytes) -> None:
        if self.server.pages:
            self._pictures.put(camera, message)

    def _on_joints(self, what: str, message: bytes) -> None:
        self._joints[what] = message  # hundreds arrive in a second, and a page gets ten

    def _on_task(self, message: Task) -> None:
        schema = TaskSchema.from_json(message.schema)
        self._rate = schema.rate
        self._task = {'task': schema.name, 'box': [schema.box_min, schema.box_max]}
        self._instruction = schema.instruction or schema.name
        for camera in schema.cameras:
            if camera.name in self._pictures.cameras:
                self._pictures.crop(camera.name, camera)

    def _publish_state(self) -> None:
        if self.server.pages:
            now = time.monotonic()
            found = state(self._screen, self._trends, self.options.teleop, self._rate, now)
            told = guide(self._part, self.options.teleop, found, self._instruction)
            crops = {n: crop_box(spec) for n, spec in self._pictures.cameras.items() if spec}
            self.server.publish('state', found | self._task | {'guide': told, 'crops': crops})

    def _publish_pose(self) -> None:
        found = {}
        for what, message in list(self._joints.items()) if self.server.pages else ():
            try:
                found[what] = _angles(message)
            except Exception as error:  # as guarded_subscriber refuses a message
                del self._joints[what]
                self.refusals.add(f'joint state of {what}', reason(error))
        if found:
            self.server.publish('pose', found)

    # -- from a page ---------------------------------------------------------------------------

    def _hello(self) -> dict[str, Any]:
        teleop = self.options.teleop
        return {
            'cell': self.get_namespace().strip('/'),
            'keys': keys_of(teleop, self._has_launcher),
            'drive': drive_keys() if teleop in BY_KEYS else {},
            'no_driving': NO_DRIVING.get(teleop, ''),
            'cameras': list(self._pictures.cameras),
            'model': self._model,
        }

    def _press(self, key: str) -> bool:
        if key == END and self._has_launcher:
            os.kill(os.getppid(), signal.SIGINT)
            return True
        return self._keys.press(key)

    def _pause(self) -> None:
        """Pause the cell: the page that drove is gone, and the arm must hold."""
        if self._mode() == Mode.HUMAN:
            self._keys.call('the page that drove is gone; pause', names.PAUSE, True)

    def _show(self, sentence: str) -> None:
        self.server.say(sentence)
        self.get_logger().info(sentence)


def _angles(message: bytes) -> list[float]:
    """Return the angles (6,) rad of a serialised JointState; CellError if they are no arm's."""
    joints = deserialize_message(message, JointState)
    return [round(float(angle), 4) for angle in pack(joints.name, joints.position)]
