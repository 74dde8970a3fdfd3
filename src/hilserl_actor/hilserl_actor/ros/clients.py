"""The control loop's clients of the FK service and of the driver.

The loop's thread waits for the FK service with a deadline; the executor's thread delivers the
answer. Commands to the arms are published, and the loop never waits for them.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
import threading
import time
from typing import Any, NamedTuple

from geometry_msgs.msg import Point
import numpy as np
import numpy.typing as npt
from rclpy.client import Client
from rclpy.clock import Clock
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty
from std_srvs.srv import SetBool, Trigger

from hilserl_core.contract.kinematics_check import require_same_kinematics
from hilserl_core.contract.task import TaskSchema
from so101_description.collision import Collision
from so101_description.joint_messages import joint_state
from so101_description.joints import pack
from so101_interfaces.msg import JointRange
from so101_interfaces.srv import GetAction, GetJointTarget, GetToolPose, SolvePose, TakeCommand
from so101_node import names
from so101_node.errors import CellError
from so101_node.refusals import short
from so101_node.stamps import to_ns

from ..loop.interfaces import KinematicsLost

KINEMATICS_SERVICES = {
    names.GET_TOOL_POSE: GetToolPose,
    names.GET_ACTION: GetAction,
    names.GET_JOINT_TARGET: GetJointTarget,
    names.SOLVE_POSE: SolvePose,
}
Joints = npt.NDArray[np.float64]  # (6,) rad
TARGET_TIME = 0.25  # s; without a newer command the driver holds


class ServiceKinematics:
    """Implements `loop.interfaces.Kinematics` with the FK service.

    clients: one for each of KINEMATICS_SERVICES, by its name. timeout: s to wait for an answer.
    The path check is computed here: it takes too long for a service call within a tick.
    table_height: m.
    """

    def __init__(
        self,
        schema: TaskSchema,
        clients: Mapping[str, Client[Any, Any]],
        clock: Clock,
        timeout: float,
        table_height: float,
    ):
        self._schema, self._clients, self._clock = schema, clients, clock
        self._collision = Collision(table_height)
        self._timeout = timeout
        self.joint_limits = ''  # of the service; '' before its first tool pose
        self.allowed = JointRange()  # the range that the driver allows; empty: not known
        self.limited: tuple[str, ...] = ()  # the limits that clipped the last joint target

    def ready(self) -> bool:
        """Return whether all services are available."""
        return all(client.service_is_ready() for client in self._clients.values())

    def _request(self, name: str, request: Any) -> Callable[[], Any]:
        """Send a request; return the function that waits for its answer."""
        done, deadline = threading.Event(), time.monotonic() + self._timeout
        client = self._clients[name]
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())

        def answer() -> Any:
            if not done.wait(max(0.0, deadline - time.monotonic())):
                client.remove_pending_request(future)
                raise KinematicsLost(
                    f'{name} did not answer within {self._timeout * 1e3:.0f} ms; '
                    'the arm holds and nothing is recorded'
                )
            response: Any = future.result()
            if not response.ok:
                raise CellError(f'{name}: {short(response.message)}')
            return response

        return answer

    def _call(self, name: str, request: Any) -> Any:
        return self._request(name, request)()

    def _states(self, *positions: Joints) -> list[JointState]:
        stamp = self._clock.now().to_msg()
        return [joint_state(position, stamp) for position in positions]

    def ask_tool(self, position: Joints) -> Callable[[], npt.NDArray[np.float64]]:
        """Request the tool pose of joints (6,) rad; return the function that waits for the answer.

        The answer: tool position (3,) m in base_link. Raises CellError if the service's numbers
        differ from the task's.
        """
        (joints,) = self._states(position)
        answer = self._request(names.GET_TOOL_POSE, GetToolPose.Request(joints=joints))

        def tool() -> npt.NDArray[np.float64]:
            found = answer()
            require_same_kinematics(self._schema, found.config)
            self.joint_limits = short(found.config.joint_limits, 40)
            p = found.pose.pose.position
            return np.array([p.x, p.y, p.z])

        return tool

    def ask_action(
        self, leader: Joints, reference: Joints, leader_start: Joints, reference_start: Joints
    ) -> Callable[[], npt.NDArray[np.float32]]:
        """Request `action`; return the function that waits for it."""
        a, b, c, d = self._states(leader, reference, leader_start, reference_start)
        answer = self._request(
            names.GET_ACTION,
            GetAction.Request(leader=a, reference=b, leader_start=c, reference_start=d),
        )

        def action() -> npt.NDArray[np.float32]:
            return np.asarray(answer().action, np.float32)

        return action

    def action(
        self, leader: Joints, reference: Joints, leader_start: Joints, reference_start: Joints
    ) -> npt.NDArray[np.float32]:
        """Return the action (A,) that moves the reference as the leader moved."""
        return self.ask_action(leader, reference, leader_start, reference_start)()

    def joint_target(
        self, measured: Joints, reference: Joints, action: npt.NDArray[np.float32], hold: Joints
    ) -> Joints:
        """Return the joint target (6,) rad of an action; `hold`: what no axis acts on."""
        a, b, c = self._states(measured, reference, hold)
        answer = self._call(
            names.GET_JOINT_TARGET,
            GetJointTarget.Request(
                measured=a,
                reference=b,
                action=array('f', np.asarray(action, np.float32)),
                pitch=self._schema.pitch,
                wrist_roll=self._schema.wrist_roll,
                allowed=self.allowed,
                hold=c,
            ),
        )
        self.limited = tuple(answer.limited)
        return pack(answer.target.name, answer.target.position)

    def solve(self, position: Sequence[float] | npt.NDArray[np.float64], seed: Joints) -> Joints:
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
                allowed=self.allowed,
            ),
        )
        return pack(answer.target.name, answer.target.position)

    def contact(self, path: npt.NDArray[np.float64]) -> str:
        """Return a sentence about the first contact on a joint path (N, 6) rad, or ''."""
        return self._collision.contact(path)


class DriverRequests(NamedTuple):
    """The driver's stop and its command. request: asks for the command of this actor."""

    stop_topic: Publisher[Empty]
    stop: Client[Any, Any]
    take: Client[Any, Any]
    request: TakeCommand.Request


class TopicArms:
    """Implements `loop.interfaces.Arms` with the driver's topics and services.

    commands, torque: publishers of joint commands and clients of `set_torque`, by arm. driver: its
    stop and its command.
    """

    def __init__(
        self,
        commands: Mapping[str, Publisher[JointState]],
        torque: Mapping[str, Client[Any, Any]],
        driver: DriverRequests,
        clock: Clock,
        logger: RcutilsLogger,
    ):
        self._commands, self._torque, self._driver = commands, torque, driver
        self._clock, self._logger = clock, logger
        self.sent = 0  # when the last command to the follower was sent, ns of the ROS clock
        self.sent_at = 0.0  # the same, in s of the monotonic clock
        self.on_executed: Callable[[Joints], object] = lambda target: None
        self._target: Joints | None = None
        self._target_at = 0.0
        self._accepted = 0  # stamp of the last command that the driver executed

    def on_target(self, message: JointState) -> None:
        """Note the command that the follower's driver executes now; CellError if it is none."""
        self._target = pack(message.name, message.position)
        # A message of somebody else does not undo what the driver has reported.
        if (stamp := to_ns(message.header.stamp)) == self.sent:
            self._accepted = stamp
        self._target_at = time.monotonic()
        self.on_executed(self._target)

    @property
    def target(self) -> Joints | None:
        """What the follower's driver executes, (6,) rad; None: no command lately."""
        return self._target if time.monotonic() - self._target_at < TARGET_TIME else None

    def clock_stepped(self) -> None:
        """Forget the stamp of the last command: it is of the clock before it was set."""
        self.sent = 0

    def command_accepted(self) -> bool:
        """Return whether the driver reports that it executes the follower's last command."""
        return self._accepted == self.sent

    def command(self, arm: str, target: Joints) -> None:
        """Publish a joint target (6,) rad."""
        message = joint_state(target, self._clock.now().to_msg())
        if arm == 'follower':  # before the driver can answer
            self.sent, self.sent_at = to_ns(message.header.stamp), time.monotonic()
        self._commands[arm].publish(message)

    def set_torque(self, arm: str, on: bool) -> None:
        """Request torque on or off; a refusal is logged when it arrives."""
        client = self._torque[arm]
        if arm == 'leader' and not client.service_is_ready():
            return  # a cell without a leader
        client.call_async(SetBool.Request(data=on)).add_done_callback(
            lambda future: self._check(arm, on, future.result())
        )

    def stop(self) -> None:
        """Ask the driver for its stop, by its topic and its service."""
        self._driver.stop_topic.publish(Empty())
        if self._driver.stop.service_is_ready():
            self._driver.stop.call_async(Trigger.Request()).add_done_callback(
                lambda future: self._check_stop(future.result())
            )

    def take_command(self) -> bool:
        """Ask the driver to obey this actor; return whether it could be asked."""
        ready = self._driver.take.service_is_ready()
        if ready:
            self._driver.take.call_async(self._driver.request)
        return ready

    def _check_stop(self, answer: Trigger.Response) -> None:
        if not answer.success:
            self._logger.error(f'driver/stop: {short(answer.message)}')

    def _check(self, arm: str, on: bool, answer: SetBool.Response) -> None:
        if not answer.success:
            self._logger.error(
                f'{arm}: torque {"on" if on else "off"} was refused: {short(answer.message)}'
            )
