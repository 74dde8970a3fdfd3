"""The `driver` node: joint states, joint commands and torque services of one or two arms.

Each arm has a thread, which also publishes its joint states. The node's executor handles only
commands and requests. Real and simulated ports are the same to the node.
"""

import contextlib
import os
import threading
import time

import numpy as np
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool, Trigger

from so101_description.joints import JOINTS, REST
from so101_interfaces.msg import ActorStatus
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.ros_node import CellNode

from .arm import Arm
from .bus import Bus, absent_port
from .calibration import check_spans, load_calibration
from .diagnostics import ArmDiagnostics
from .identity import check_identity, describe_arm
from .joint_states import JointStates
from .leader_torque import LeaderTorque
from .options import DriverOptions
from .servos import IDS
from .setpoint import Limits

LEADER_POLL_PERIOD = 0.05  # s between two polls of the actor's mode
CLOSE_TIME = 3.4  # s; an arm needs at most 2.6 to rest and some tenths for torque off


class DriverNode(CellNode):
    """Parameters, topics and services around one or two `Arm`s."""

    URGENT = True  # a busy learner must not delay the arms

    OPTIONS = DriverOptions
    options: DriverOptions

    def __init__(self):
        super().__init__('driver')
        self._arms: dict[str, Arm] = {}
        self._diagnosed: dict[str, ArmDiagnostics] = {}
        self._closing = threading.Event()
        self._deadline = time.monotonic() + self.options.port_wait
        self._locked = np.array([joint in self.options.locked_joints for joint in JOINTS])
        ports = {arm: getattr(self.options, f'{arm}_port') for arm in names.ARMS}
        self._ports = {arm: port for arm, port in ports.items() if port}
        if not self._ports:
            raise CellError(
                "neither follower_port nor leader_port is set; name at least one arm's serial port"
            )
        calibrations = {
            arm: load_calibration(getattr(self.options, f'{arm}_calibration'))
            for arm in names.ARMS
            if arm in self._ports or getattr(self.options, f'{arm}_calibration')
        }
        if len(calibrations) == 2:
            check_spans(calibrations['leader'], calibrations['follower'])
        self._states = {}
        for arm in self._ports:
            self._states[arm] = JointStates(self, arm)
            self.create_subscription(
                JointState,
                names.JOINT_COMMANDS.format(arm=arm),
                lambda message, arm=arm: self._command(arm, message),
                qos.COMMAND,
            )
            self.create_service(
                SetBool,
                names.SET_TORQUE.format(arm=arm),
                lambda request, response, arm=arm: self._serve(  # type: ignore[misc]
                    arm, response, lambda a: a.set_torque(request.data)
                ),
            )
            self.create_service(
                Trigger,
                names.CLEAR_FAULTS.format(arm=arm),
                lambda _, response, arm=arm: self._serve(  # type: ignore[misc]
                    arm, response, Arm.clear_faults
                ),
            )
        self._mode = ''  # the actor's, not yet applied
        self.create_subscription(ActorStatus, names.ACTOR_STATUS, self._on_actor, qos.SENSOR_SUB)
        self.create_timer(1.0, self._publish_diagnostics)
        self._opening = self.guard(self._open, calibrations)

    def _open(self, calibrations) -> None:
        """Wait for the ports, check that each has its own arm, then start the cycles."""
        buses = {}
        try:
            for arm, port in self._ports.items():
                if not self._wait_for_port(port):
                    if self._closing.is_set():
                        return
                    raise CellError(
                        f'{arm}_port: {absent_port(port)}' + self._present_arm(arm, calibrations)
                    )
            for arm, port in self._ports.items():
                buses[arm] = Bus(port, IDS, self.options.answer_timeout)
            check_identity(buses, calibrations)
            arms = {arm: self._make_arm(arm, bus, calibrations[arm]) for arm, bus in buses.items()}
            for each in arms.values():
                each.start()
        except CellError:
            for bus in buses.values():
                bus.close()
            raise
        self._diagnosed = {name: ArmDiagnostics(arm) for name, arm in arms.items()}
        if 'leader' in arms:
            self.guard(
                self._watch_leader,
                LeaderTorque(arms['leader'], self.get_logger().info, time.monotonic()),
            )
        self._arms = arms
        for each in arms.values():
            self.guard(each.run)
        self.get_logger().info(
            'cycling ' + ', '.join(f'{arm} on {port}' for arm, port in self._ports.items())
        )

    def _wait_for_port(self, port: str) -> bool:
        while not os.path.exists(port):
            if time.monotonic() > self._deadline or self._closing.wait(0.05):
                return False
        return True

    def _present_arm(self, absent: str, calibrations) -> str:
        """Return the part of the error sentence about the port that exists."""
        for arm, port in self._ports.items():
            if arm != absent and os.path.exists(port):
                with contextlib.closing(Bus(port, IDS)) as bus:
                    return '; ' + describe_arm(bus, calibrations)
        return ''

    def _make_arm(self, arm: str, bus: Bus, calibration) -> Arm:
        limits = Limits(
            self.options.max_speed,
            self.options.align_speed,
            self.options.command_timeout,
            self.options.rest_after,
            self._locked,
            REST if arm == 'follower' else None,
        )
        states = self._states[arm]
        return Arm(
            arm,
            bus,
            calibration,
            limits,
            rate=self.options.bus_rate,
            publish=states.publish,
            on_accepted=states.publish_target,
            log=self.get_logger().info,
        )

    def _command(self, arm: str, message: JointState) -> None:
        if arm not in self._arms:
            return
        try:
            stamp = message.header.stamp
            self._arms[arm].command(
                message.name, message.position, stamp.sec * 1_000_000_000 + stamp.nanosec
            )
        except CellError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=1.0)

    def _on_actor(self, message: ActorStatus) -> None:
        self._mode = message.mode

    def _watch_leader(self, torque: LeaderTorque) -> None:
        """Apply the actor's mode. Its own thread: a slow leader must not delay the follower."""
        while not self._closing.wait(LEADER_POLL_PERIOD):
            mode, self._mode = self._mode, ''
            if mode:
                torque.apply_mode(mode, time.monotonic())
            else:
                torque.check_silence(time.monotonic())

    def _serve(self, arm: str, response, request):
        if arm in self._arms:
            problems = request(self._arms[arm])
        else:
            problems = [f'{arm}: its bus is not open yet']
        response.success, response.message = not problems, '; '.join(problems)
        return response

    def _publish_diagnostics(self) -> None:
        self.diagnose(*(s for arm in self._diagnosed.values() for s in arm.statuses()))

    def close(self) -> None:
        """Shut both arms down at the same time: rest, torque off, ports closed."""
        deadline = time.monotonic() + CLOSE_TIME
        self._closing.set()
        self._opening.join(CLOSE_TIME)
        for arm in self._arms.values():
            arm.close()
        for arm in self._arms.values():
            if not arm.wait_closed(max(deadline - time.monotonic(), 0.0)):
                self.get_logger().error(f'{arm.name}: not closed within {CLOSE_TIME} s')
