"""The `driver` node: two arms on two ports, as joint states, joint commands and torque services.

Each arm has its own thread, which publishes its joint states itself; the node's executor only
takes commands and requests. It cannot tell a real port from a simulated one.
"""
from array import array
import os
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from so101_description import names, qos
from so101_description.errors import CellError
from so101_description.joints import JOINTS, MAX_VELOCITY, REST
from so101_description.ros_node import CellNode, Parameter

from .arm import IDS, Arm
from .bus import Bus, absent_port
from .calibration import check_spans, load_calibration
from .diagnostics import arm_diagnostics

CLOSE_TIME = 3.4         # s; an arm needs at most 2.6 to rest and some tenths to let go


class JointStates:
    """Publishes the joint states of one arm, from one thread; the message is reused."""

    def __init__(self, node: CellNode, arm: str):
        self._publisher = node.create_publisher(
            JointState, names.JOINT_STATES.format(arm=arm), qos.SENSOR_PUB)
        self._message = JointState(name=list(JOINTS))
        self._message.header.frame_id = arm

    def publish(self, stamp_ns: int, position, velocity, load) -> None:
        """Arrays (6,) float64 of one measurement: rad, rad/s, share of full drive."""
        message = self._message
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        message.position = array('d', position.tobytes())
        message.velocity = array('d', velocity.tobytes())
        message.effort = array('d', load.tobytes())
        self._publisher.publish(message)


class DriverNode(CellNode):
    """Parameters, topics and services around one or two `Arm`s."""

    PARAMETERS = (
        Parameter('follower_port', '', 'serial port of the follower; empty: no follower'),
        Parameter('leader_port', '', 'serial port of the leader; empty: no leader'),
        Parameter('follower_calibration', '', "LeRobot's calibration file of the follower"),
        Parameter('leader_calibration', '', "LeRobot's calibration file of the leader"),
        Parameter('rate', 100.0, 'cycles of each bus, Hz', 10.0, 500.0),
        Parameter('max_speed', 2.0, 'speed limit of every joint, rad/s', 0.05, MAX_VELOCITY),
        Parameter('command_timeout', 0.25, 'an older command moves nothing, s', 0.05, 5.0),
        Parameter('answer_timeout', 0.003, 'how long to wait for answers beyond their time on '
                  'the wire, s; more for USB adapters with a latency timer', 0.001, 0.05),
        Parameter('port_wait', 10.0, 'how long to wait for a port to appear, s', 0.0, 120.0),
        Parameter('locked_joints', '', 'joints that never move, by name, with commas between'),
    )

    def __init__(self):
        super().__init__('driver')
        self._arms: dict[str, Arm] = {}
        self._closing = threading.Event()
        self._locked = self._locked_joints()
        ports = {arm: self.param(f'{arm}_port') for arm in names.ARMS}
        self._ports = {arm: port for arm, port in ports.items() if port}
        if not self._ports:
            raise CellError('neither follower_port nor leader_port is set; '
                            "name at least one arm's serial port")
        calibrations = {
            arm: load_calibration(self.param(f'{arm}_calibration')) for arm in self._ports}
        if len(calibrations) == 2:
            check_spans(calibrations['leader'], calibrations['follower'])
        self._diagnostics = self.create_publisher(
            DiagnosticArray, names.DIAGNOSTICS, qos.STATUS)
        self._states = {}
        for arm in self._ports:
            self._states[arm] = JointStates(self, arm)
            self.create_subscription(
                JointState, names.JOINT_COMMANDS.format(arm=arm),
                lambda message, arm=arm: self._command(arm, message), qos.COMMAND)
            self.create_service(
                SetBool, names.SET_TORQUE.format(arm=arm),
                lambda request, response, arm=arm: self._set_torque(arm, request, response))
        self.create_timer(1.0, self._publish_diagnostics)
        self._opening = self.guard(self._open, calibrations)

    def _locked_joints(self) -> np.ndarray:
        locked = [j.strip() for j in self.param('locked_joints').split(',') if j.strip()]
        unknown = [joint for joint in locked if joint not in JOINTS]
        if unknown:
            raise CellError(f'locked_joints: unknown joint {", ".join(unknown)}; '
                            f'the six joints are {", ".join(JOINTS)}')
        return np.array([joint in locked for joint in JOINTS])

    def _open(self, calibrations) -> None:
        """Wait for the ports, open both arms, and only then let them cycle."""
        arms = {}
        try:
            deadline = time.monotonic() + self.param('port_wait')
            for arm, port in self._ports.items():
                while not os.path.exists(port):
                    if time.monotonic() > deadline:
                        raise CellError(f'{arm}_port: {absent_port(port)}')
                    if self._closing.wait(0.05):
                        return
            for arm, port in self._ports.items():
                arms[arm] = Arm(
                    arm, Bus(port, IDS, self.param('answer_timeout')), calibrations[arm],
                    rate=self.param('rate'), max_speed=self.param('max_speed'),
                    command_timeout=self.param('command_timeout'), locked=self._locked,
                    rest=REST if arm == 'follower' else None,
                    publish=self._states[arm].publish, log=self.get_logger().info)
                arms[arm].start()
        except CellError:
            for arm in arms.values():
                arm.bus.close()
            raise
        self._arms = arms
        for arm in arms.values():
            self.guard(arm.run)
        self.get_logger().info('cycling ' + ', '.join(
            f'{arm} on {port}' for arm, port in self._ports.items()))

    def _command(self, arm: str, message: JointState) -> None:
        if arm not in self._arms:
            return
        try:
            self._arms[arm].command(message.name, message.position)
        except CellError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=1.0)

    def _set_torque(self, arm: str, request, response):
        if arm in self._arms:
            problems = self._arms[arm].set_torque(request.data)
        else:
            problems = [f'{arm}: its bus is not open yet']
        response.success, response.message = not problems, '; '.join(problems)
        return response

    def _publish_diagnostics(self) -> None:
        statuses = [status for arm in self._arms.values() for status in arm_diagnostics(arm)]
        message = DiagnosticArray(status=statuses)
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def close(self) -> None:
        """Both arms at once: to rest, torque off, ports closed."""
        deadline = time.monotonic() + CLOSE_TIME
        self._closing.set()
        self._opening.join(CLOSE_TIME)
        for arm in self._arms.values():
            arm.close()
        for arm in self._arms.values():
            if not arm.wait_closed(max(deadline - time.monotonic(), 0.0)):
                self.get_logger().error(f'{arm.name}: not closed within {CLOSE_TIME} s')
