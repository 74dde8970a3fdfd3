"""The `driver` node: joint states, joint commands and torque services of one or two arms.

Each arm has a thread, which also publishes its joint states. The node's executor handles only
commands and requests. Real and simulated ports are the same to the node.
"""

from collections.abc import Callable
import contextlib
from functools import partial
import os
import threading
import time

import numpy as np
from rclpy.executors import Executor
from std_srvs.srv import SetBool, Trigger

from so101_description.collision import Collision
from so101_description.joint_messages import joint_range
from so101_description.joints import JOINTS, REST
from so101_interfaces.msg import ActorStatus, JointRange
from so101_node import names, qos
from so101_node.callback_threads import CallbackThreads
from so101_node.errors import CellError
from so101_node.modes import Mode
from so101_node.ros_node import CellNode

from .adapter import fit
from .arm import Arm
from .bus import Bus, NoAnswer, PortLost
from .calibration import Calibration, load_calibrations
from .calibration_problems import Plausible
from .calibration_warnings import doubtful_zeros, lost_reach
from .command_topics import CommandTopics
from .diagnostics import ArmDiagnostics
from .identity import check_identity, describe_arm
from .joint_states import JointStates
from .leader_torque import LeaderTorque
from .options import DriverOptions
from .rest import rest_warning
from .serial_port import absent_port, is_pseudo_terminal
from .servos import IDS
from .setpoint import Limits
from .stop import StopLatch
from .stop_services import StopServices
from .supply import check_supply
from .unfinished import end_mark

LEADER_POLL_PERIOD = 0.05  # s between two polls of the actor's mode
CLOSE_TIME = 10.0  # s; an arm needs at most 2.6 to rest and some tenths for torque off
RETRY_PERIOD = 0.5  # s between two attempts to reach silent servos
TELL_PERIOD = 5.0  # s between two lines while the driver waits for a port


class DriverNode(CellNode):
    """Parameters, topics and services around one or two `Arm`s."""

    URGENT = True  # a busy learner must not delay the arms

    OPTIONS = DriverOptions
    options: DriverOptions

    def __init__(self) -> None:
        super().__init__('driver')
        self._arms: dict[str, Arm] = {}
        self._stop = StopLatch()
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
        plausible = Plausible(
            self.options.least_range, self.options.most_range, self.options.span_difference
        )
        files = {arm: getattr(self.options, f'{arm}_calibration') for arm in names.ARMS}
        calibrations = load_calibrations(
            {arm: path for arm, path in files.items() if path or arm in self._ports},
            plausible,
            self.options.joint_limits,
        )
        for calibration in calibrations.values():
            for doubt in doubtful_zeros(calibration):
                self.get_logger().warning(doubt.sentence(calibration.path))
        self._collision = Collision(self.options.table_height)
        if 'follower' in self._ports:
            warning = rest_warning(REST, calibrations['follower'], self._collision)
            if warning:
                self.get_logger().warning(warning)
        self._states = {}
        for arm in self._ports:
            self._states[arm] = JointStates(self, arm)
            self.create_service(
                SetBool,
                names.SET_TORQUE.format(arm=arm),
                partial(self._set_torque, arm),
            )
            self.create_service(
                Trigger,
                names.CLEAR_FAULTS.format(arm=arm),
                partial(self._clear_faults, arm),
            )
        allowed = JointRange()
        if 'follower' in self._ports:
            follower = calibrations['follower']
            allowed = joint_range(follower.lower, follower.upper)
        self._commands = CommandTopics(
            self,
            self._arms,
            self._ports,
            self._stop,
            self.options.joint_limits,
            allowed,
            self.options.patience,
        )
        StopServices(self, self._arms, self._stop, self._on_stop_change)
        self._mode = ''  # the actor's, not yet applied
        self.create_subscription(ActorStatus, names.ACTOR_STATUS, self._on_actor, qos.SENSOR_SUB)
        self.create_timer(1.0, self._publish_diagnostics)
        self._opening = self.guard(self._open, calibrations)

    def _open(self, calibrations: dict[str, Calibration]) -> None:
        """Wait for the ports, check that each has its own arm, then start the cycles."""
        for arm, port in self._ports.items():
            if not self._wait_for_port(port):
                if self._closing.is_set():
                    return
                raise CellError(
                    f'{arm}_port: {absent_port(port)}' + self._present_arm(arm, calibrations)
                )
            if self.options.patience > 1.0 and not is_pseudo_terminal(os.stat(port).st_rdev):
                raise CellError(
                    f'{arm}_port: {port} is of a real arm, whose time limits stay as they are; '
                    'leave patience out'
                )
        arms = self._start_arms(calibrations)
        if not arms:
            return
        self._diagnosed = {name: ArmDiagnostics(arm) for name, arm in arms.items()}
        if 'leader' in arms:
            self.guard(
                self._watch_leader,
                LeaderTorque(arms['leader'], self.get_logger().info, time.monotonic()),
            )
        self._arms.update(arms)
        for each in arms.values():
            self.guard(each.run)
        for arm in arms:
            if line := lost_reach(calibrations[arm]):
                self.get_logger().info(line)
        self.get_logger().info(
            'cycling ' + ', '.join(f'{arm} on {port}' for arm, port in self._ports.items())
        )

    def _start_arms(self, calibrations: dict[str, Calibration]) -> dict[str, Arm]:
        """Return the started arms; none if the node ends. Servos have `port_wait` to answer."""
        told, timeout = '', self.options.answer_timeout * self.options.patience
        while True:
            buses = {}
            try:
                for arm, port in self._ports.items():
                    buses[arm] = Bus(port, IDS, timeout)
                    for line in fit(buses[arm]):
                        self.get_logger().info(f'{arm}: {line}')
                check_identity(buses, calibrations)
                for arm, bus in buses.items():
                    if volts := getattr(self.options, f'{arm}_voltage'):
                        check_supply(arm, bus, volts)
                arms = {
                    arm: self._make_arm(arm, bus, calibrations[arm]) for arm, bus in buses.items()
                }
                for arm, each in arms.items():
                    each.start()
                    if line := end_mark(calibrations[arm].path, arm):
                        self.get_logger().warning(line)
                return arms
            except CellError as error:
                for bus in buses.values():
                    bus.close()
                silent = isinstance(error, NoAnswer | PortLost)
                if not silent or time.monotonic() > self._deadline:
                    raise
                if str(error) != told:
                    told = str(error)
                    self.get_logger().info(f'{told} (tried again until port_wait is over)')
            if self._closing.wait(RETRY_PERIOD):
                return {}

    def _wait_for_port(self, port: str) -> bool:
        told_at = time.monotonic()
        while not os.path.exists(port):
            if time.monotonic() - told_at > TELL_PERIOD:
                told_at = time.monotonic()
                left = self._deadline - told_at
                limit = f', for {left:.0f} s more (port_wait)' if left < 3600.0 else ''
                self.get_logger().info(f'waiting for {port} to appear{limit}')
            if time.monotonic() > self._deadline or self._closing.wait(0.05):
                return False
        return True

    def _present_arm(self, absent: str, calibrations: dict[str, Calibration]) -> str:
        """Return the part of the error sentence about the port that exists."""
        for arm, port in self._ports.items():
            if arm != absent and os.path.exists(port):
                with contextlib.closing(Bus(port, IDS)) as bus:
                    return '; ' + describe_arm(bus, calibrations)
        return ''

    def _make_arm(self, arm: str, bus: Bus, calibration: Calibration) -> Arm:
        limits = Limits(
            self.options.max_speed,
            self.options.align_speed,
            self.options.command_timeout * self.options.patience,
            self.options.rest_after,
            self._locked,
            REST if arm == 'follower' else None,
            self.options.setpoint_lead,
            self._collision,
            self.options.patience,
        )
        states = self._states[arm]
        return Arm(
            arm,
            bus,
            calibration,
            limits,
            rate=self.options.bus_rate,
            stop=self._stop,
            publish=states.publish,
            on_accepted=states.publish_target,
            log=self.get_logger().info,
        )

    def _on_actor(self, message: ActorStatus) -> None:
        if message.mode in (Mode.PAUSED, Mode.ESTOP):
            for arm in self._arms.values():
                arm.setpoint.stay(time.monotonic())
        if self._commands.commander.note_status(message.run_id, time.monotonic()):
            self._mode = message.mode

    def _on_stop_change(self) -> None:
        self._commands.commander.end()
        self._commands.publish()

    @staticmethod
    def make_executor() -> Executor:
        """Return an executor that delivers message infos, and stops beside slow services."""
        return CallbackThreads(num_threads=3)

    def _watch_leader(self, torque: LeaderTorque) -> None:
        """Apply the actor's mode. Its own thread: a slow leader must not delay the follower."""
        while not self._closing.wait(LEADER_POLL_PERIOD):
            mode, self._mode = self._mode, ''
            if self._stop:
                continue
            if mode:
                torque.apply_mode(mode, time.monotonic())
            else:
                torque.check_silence(time.monotonic())

    def _set_torque(
        self, arm: str, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        return self._serve(arm, response, lambda a: a.set_torque(request.data))

    def _clear_faults(
        self, arm: str, _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        return self._serve(arm, response, Arm.clear_faults)

    def _serve(
        self,
        arm: str,
        response: SetBool.Response | Trigger.Response,
        request: Callable[[Arm], list[str]],
    ) -> SetBool.Response | Trigger.Response:
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
