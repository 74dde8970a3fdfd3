"""The control loop's clients of the FK service and of the driver.

The loop's thread waits for the FK service with a deadline; the executor's thread delivers the
answer. Commands to the arms are published, and the loop never waits for them.
"""

import threading
import time

from geometry_msgs.msg import Point
import numpy as np
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from hilserl_core.contract.kinematics_check import require_same_kinematics
from so101_description.joint_messages import joint_state
from so101_description.joints import pack
from so101_interfaces.srv import GetAction, GetJointTarget, GetToolPose, SolvePose
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.stamps import to_ns

from ..loop.interfaces import KinematicsLost


class ServiceKinematics:
    """Implements `loop.interfaces.Kinematics` with the FK service."""

    def __init__(self, node, schema, timeout: float):
        self._node, self._schema, self._timeout = node, schema, timeout
        self.limited: tuple[str, ...] = ()  # the limits that clipped the last joint target
        self._clients = {
            name: node.create_client(kind, name)
            for name, kind in (
                (names.GET_TOOL_POSE, GetToolPose),
                (names.GET_ACTION, GetAction),
                (names.GET_JOINT_TARGET, GetJointTarget),
                (names.SOLVE_POSE, SolvePose),
            )
        }

    def ready(self) -> bool:
        """Return whether all services are available."""
        return all(client.service_is_ready() for client in self._clients.values())

    def _request(self, name: str, request):
        """Send a request; return the function that waits for its answer."""
        done, deadline = threading.Event(), time.monotonic() + self._timeout
        client = self._clients[name]
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())

        def answer():
            if not done.wait(max(0.0, deadline - time.monotonic())):
                client.remove_pending_request(future)
                raise KinematicsLost(
                    f'{name} did not answer within {self._timeout * 1e3:.0f} ms; '
                    'the arm holds and nothing is recorded'
                )
            if not future.result().ok:
                raise CellError(f'{name}: {future.result().message}')
            return future.result()

        return answer

    def _call(self, name: str, request):
        return self._request(name, request)()

    def _states(self, *positions):
        stamp = self._node.get_clock().now().to_msg()
        return [JointState() if p is None else joint_state(p, stamp) for p in positions]

    def ask_tool(self, position):
        """Request the tool pose of joints (6,) rad; return the function that waits for the answer.

        The answer: tool position (3,) m in base_link. Raises CellError if the service's numbers
        differ from the task's.
        """
        (joints,) = self._states(position)
        answer = self._request(names.GET_TOOL_POSE, GetToolPose.Request(joints=joints))

        def tool() -> np.ndarray:
            found = answer()
            require_same_kinematics(self._schema, found.config)
            p = found.pose.pose.position
            return np.array([p.x, p.y, p.z])

        return tool

    def ask_action(self, leader, reference, leader_start, reference_start):
        """Request `action`; return the function that waits for it."""
        a, b, c, d = self._states(leader, reference, leader_start, reference_start)
        answer = self._request(
            names.GET_ACTION,
            GetAction.Request(leader=a, reference=b, leader_start=c, reference_start=d),
        )

        def action() -> np.ndarray:
            return np.asarray(answer().action, np.float32)

        return action

    def action(self, leader, reference, leader_start, reference_start) -> np.ndarray:
        """Return the action (4,) that moves the reference as the leader moved."""
        return self.ask_action(leader, reference, leader_start, reference_start)()

    def joint_target(self, measured, reference, action) -> np.ndarray:
        """Return the joint target (6,) rad of an action."""
        a, b = self._states(measured, reference)
        answer = self._call(
            names.GET_JOINT_TARGET,
            GetJointTarget.Request(
                measured=a,
                reference=b,
                action=np.asarray(action, np.float32),
                pitch=self._schema.pitch,
                wrist_roll=self._schema.wrist_roll,
            ),
        )
        self.limited = tuple(answer.limited)
        return pack(answer.target.name, answer.target.position)

    def solve(self, position, seed) -> np.ndarray:
        """Return the joints (6,) rad that bring the tool to `position` (3,) m."""
        (a,) = self._states(seed)
        x, y, z = map(float, position)
        answer = self._call(
            names.SOLVE_POSE,
            SolvePose.Request(
                position=Point(x=x, y=y, z=z),
                pitch=self._schema.pitch,
                wrist_roll=self._schema.wrist_roll,
                gripper=float(seed[5]),
                seed=a,
            ),
        )
        return pack(answer.target.name, answer.target.position)


class TopicArms:
    """Implements `loop.interfaces.Arms` with the driver's topics and services."""

    def __init__(self, node):
        self._node = node
        self.sent = 0  # when the last command to the follower was sent, ns of the ROS clock
        self.sent_at = 0.0  # the same, in s of the monotonic clock
        self._publishers = {
            arm: node.create_publisher(
                JointState, names.JOINT_COMMANDS.format(arm=arm), qos.COMMAND
            )
            for arm in names.ARMS
        }
        self._torque = {
            arm: node.create_client(SetBool, names.SET_TORQUE.format(arm=arm))
            for arm in names.ARMS
        }
        self._executed_stamp = 0  # stamp of the command that the driver executes
        node.create_subscription(
            JointState, names.JOINT_TARGETS.format(arm='follower'), self._on_target, qos.COMMAND
        )

    def _on_target(self, message: JointState) -> None:
        self._executed_stamp = to_ns(message.header.stamp)

    def command_accepted(self) -> bool:
        """Return whether the driver reports that it executes the follower's last command."""
        return self._executed_stamp == self.sent

    def command(self, arm: str, target) -> None:
        """Publish a joint target (6,) rad."""
        message = joint_state(target, self._node.get_clock().now().to_msg())
        self._publishers[arm].publish(message)
        if arm == 'follower':
            self.sent, self.sent_at = to_ns(message.header.stamp), time.monotonic()

    def set_torque(self, arm: str, on: bool) -> None:
        """Request torque on or off; a refusal is logged when it arrives."""
        client = self._torque[arm]
        if arm == 'leader' and not client.service_is_ready():
            return  # a cell without a leader
        client.call_async(SetBool.Request(data=on)).add_done_callback(
            lambda future: self._check(arm, on, future.result())
        )

    def _check(self, arm: str, on: bool, answer) -> None:
        if not answer.success:
            self._node.get_logger().error(
                f'{arm}: torque {"on" if on else "off"} was refused: {answer.message}'
            )
