"""The `scripted_operator` node: simulates the human at the simulated bench.

It observes what a human can see, and acts only through what a human can use: the services of the
keys, the leader, and the cube.
"""

from functools import partial
from math import isfinite
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
import numpy as np
from rclpy.client import Client
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger

from so101_description.joint_messages import LeaderPull
from so101_description.joints import Floats, pack
from so101_interfaces.msg import ActorStatus
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.modes import Mode
from so101_node.newest import Newest
from so101_node.refusals import short
from so101_node.ros_node import CellNode
from so101_node.stamps import to_ns

from .grasp_observation import yaw_of
from .options import ScriptedOperatorOptions
from .scripted_operator import PERIOD, OperatorObservation, ScriptedOperator, operator_for

# key -> service, and the value of a SetBool (None: a Trigger)
KEYS = {
    'place': (names.SIM_PLACE_CUBE, None),
    'start': (names.START, None),
    'success': (names.SUCCESS, None),
    'failure': (names.FAILURE, None),
    'intervene': (names.INTERVENE, True),
    'release': (names.INTERVENE, False),
    'clear faults of follower': (names.CLEAR_FAULTS.format(arm='follower'), None),
    'clear faults of leader': (names.CLEAR_FAULTS.format(arm='leader'), None),
}


class ScriptedOperatorNode(CellNode):
    """Connects a `ScriptedOperator` to the topics and services."""

    OPTIONS = ScriptedOperatorOptions
    options: ScriptedOperatorOptions

    def __init__(self) -> None:
        super().__init__('scripted_operator')
        self._operator = ScriptedOperator(
            self.options.operator_role,
            self.options.seed,
            operator_for(self.options.task, self.options.world),
        )
        self._status: ActorStatus | None = None
        self._statuses = Newest()
        # cube (3,) m, and where it is to be put, if that is part of the task
        self._cube: Floats | None = None
        self._yaw = 0.0  # of the cube, rad
        self._target: Floats | None = None
        self._success = False
        self._joints: dict[str, Floats] = {}  # (6,) rad of each arm
        services = {
            name: SetBool if value is not None else Trigger for name, value in KEYS.values()
        }
        self._keys: dict[str, Client[Any, Any]] = {
            name: self.create_client(kind, name) for name, kind in services.items()
        }
        self._leader_pull = LeaderPull(self.create_publisher)
        self.create_subscription(ActorStatus, names.ACTOR_STATUS, self._on_status, qos.STATUS)
        self.create_subscription(PoseStamped, names.SIM_CUBE_POSE, self._on_cube, qos.SENSOR_SUB)
        self.create_subscription(
            PoseStamped, names.SIM_TARGET_POSE, self._on_target, qos.SENSOR_SUB
        )
        self.create_subscription(Bool, names.SIM_SUCCESS, self._on_success, qos.SENSOR_SUB)
        self.create_subscription(
            DiagnosticArray, names.DIAGNOSTICS, self._on_diagnostics, qos.STATUS
        )
        for arm in names.ARMS:
            self.create_subscription(
                JointState,
                names.JOINT_STATES.format(arm=arm),
                partial(self._on_joints, arm),
                qos.SENSOR_SUB,
            )
        self.create_timer(PERIOD, self._act)

    def _on_status(self, message: ActorStatus) -> None:
        if message.mode not in set(Mode):
            raise CellError(f'there is no mode {short(message.mode, 40)}')
        clock = self.get_clock().now().nanoseconds
        if why := self._statuses.problem(to_ns(message.header.stamp), clock, time.monotonic()):
            raise CellError(why)
        self._status = message

    def _on_cube(self, message: PoseStamped) -> None:
        turn = message.pose.orientation
        yaw = yaw_of(turn.w, turn.x, turn.y, turn.z)
        if not isfinite(yaw):
            raise CellError('its orientation is not finite')
        self._cube, self._yaw = _position(message), yaw

    def _on_target(self, message: PoseStamped) -> None:
        self._target = _position(message)

    def _on_success(self, message: Bool) -> None:
        self._success = bool(message.data)

    def _on_joints(self, arm: str, message: JointState) -> None:
        self._joints[arm] = pack(message.name, message.position)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        """Clear the faults of an arm if its diagnostics ask for that (once a second)."""
        for status in message.status:
            name = names.of_cell(self.get_namespace(), status.name)
            for arm in names.ARMS:
                if name == f'driver: {arm}' and status.message.endswith('clear_faults'):
                    self._press(f'clear faults of {arm}')

    def _act(self) -> None:
        if self._status is None or self._cube is None or 'follower' not in self._joints:
            return
        action = self._operator.act(
            time.monotonic(),
            OperatorObservation(
                self._status.mode,
                self._status.successes,
                self._joints['follower'],
                self._joints.get('leader'),
                self._cube,
                self._success,
                self._target,
                self._yaw,
            ),
        )
        if action.key:
            self._press(action.key)
        self._leader_pull.pull(action.leader_pull)

    def _press(self, key: str) -> None:
        name, value = KEYS[key]
        client = self._keys[name]
        if not client.service_is_ready():
            return
        request = Trigger.Request() if value is None else SetBool.Request(data=value)
        client.call_async(request).add_done_callback(
            lambda future: self._answered(key, future.result())
        )

    def _answered(self, key: str, answer: SetBool.Response | Trigger.Response) -> None:
        if not answer.success:
            self.get_logger().info(f'{key}: {short(answer.message)}')
        elif key == 'place':
            self._operator.cube_placed = True


def _position(message: PoseStamped) -> Floats:
    """Return a position (3,) m; CellError if it is none."""
    point = message.pose.position
    position = np.array([point.x, point.y, point.z])
    if not np.isfinite(position).all():
        raise CellError('its position is not finite')
    return position
