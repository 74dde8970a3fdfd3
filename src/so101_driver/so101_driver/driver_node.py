"""The `driver` node: joint states, joint commands and torque services of one or two arms.

Each arm has a thread, which also publishes its joint states. The node's executor handles only
commands and requests. Real and simulated ports are the same to the node. It is a managed node:
unconfigured, it has no port open; inactive, it reads the arms, which have no torque.
"""

from collections.abc import Callable
from functools import partial
import threading
import time
from typing import Any

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
from so101_node.graph import sender
from so101_node.managed_node import ManagedNode
from so101_node.modes import Mode
from so101_node.newest import Newest
from so101_node.ros_node import PRIORITY
from so101_node.stamps import to_ns

from .arm import Arm
from .bus import Bus
from .calibration import Calibration, load_calibrations
from .calibration_problems import Plausible
from .calibration_warnings import doubtful_zeros, lost_reach
from .command_topics import CommandTopics
from .diagnostics import ArmDiagnostics
from .joint_states import JointStates
from .leader_torque import LeaderTorque
from .opening import Opening
from .options import DriverOptions
from .rest import rest_warning
from .setpoint import Limits
from .stop import StopLatch
from .stop_services import StopServices

DIAGNOSTICS_PERIOD = 1.0  # s
LEADER_POLL_PERIOD = 0.05  # s between two polls of the actor's mode
STATUS_AGE = 1.0  # s; an older status of an actor is refused
CLOSE_TIME = 10.0  # s; an arm needs at most 2.6 to rest and some tenths for torque off


class DriverNode(ManagedNode):
    """Parameters, topics and services around one or two `Arm`s."""

    URGENT = PRIORITY  # a busy learner must not delay the arms

    OPTIONS = DriverOptions
    options: DriverOptions

    def __init__(self) -> None:
        super().__init__('driver')
        self._arms: dict[str, Arm] = {}
        self._stop = StopLatch()
        self._diagnosed: dict[str, ArmDiagnostics] = {}
        self._closing = threading.Event()
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
        self._calibrations = calibrations = load_calibrations(
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
            self.require_enabled,
        )
        StopServices(self, self._arms, self._stop, self._on_stop_change)
        self._mode = ''  # the actor's, not yet applied
        self._statuses = Newest(STATUS_AGE * self.options.patience)
        self.create_subscription(ActorStatus, names.ACTOR_STATUS, self._on_actor, qos.SENSOR_SUB)
        self.guard(self._diagnose_arms)
        self.guard(self._begin)

    def _begin(self) -> None:
        try:
            self.begin()
        except CellError:
            if not self._closing.is_set():
                raise

    def configure(self) -> None:
        """Open the ports and start the cycles; the arms have no torque yet."""
        log = self.get_logger()
        opening = Opening(
            self.options, self._ports, self._make_arm, self._closing, log.info, log.warning
        )
        arms = opening.open(self._calibrations)
        if not arms:
            raise CellError('the driver is ending')
        self._diagnosed = {name: ArmDiagnostics(arm) for name, arm in arms.items()}
        self._arms.update(arms)
        if leader := arms.get('leader'):
            self.guard(
                self._watch_leader,
                leader,
                LeaderTorque(leader, self.get_logger().info, time.monotonic()),
            )
        for each in arms.values():
            self.guard(each.run)
        for arm in arms:
            if line := lost_reach(self._calibrations[arm]):
                self.get_logger().info(line)
        self.get_logger().info(
            'cycling ' + ', '.join(f'{arm} on {port}' for arm, port in self._ports.items())
        )

    def activate(self) -> None:
        """Take commands and requests for torque."""
        arms = tuple(self._arms.values())
        problems = [line for arm in arms for line in arm.activate()]
        if problems:
            for arm in arms:
                arm.active = False
            raise CellError('; '.join(problems))

    def deactivate(self) -> None:
        """Go to rest and switch torque off. The joint states go on, and the stops work."""
        self._on_stop_change()  # nobody has the command any more
        arms = sorted(self._arms.values(), key=lambda arm: arm.name, reverse=True)
        problems = [line for arm in arms for line in arm.deactivate()]
        if problems:
            for arm in arms:
                arm.active = True
            raise CellError('; '.join(problems))

    def cleanup(self) -> None:
        """Shut both arms down at the same time: rest, torque off, ports closed."""
        deadline = time.monotonic() + CLOSE_TIME
        self._on_stop_change()
        arms = tuple(self._arms.values())
        for arm in arms:
            arm.close()
        for arm in arms:
            if not arm.wait_closed(max(deadline - time.monotonic(), 0.0)):
                self.get_logger().error(f'{arm.name}: not closed within {CLOSE_TIME} s')
        self._arms.clear()
        self._diagnosed = {}

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
        made = Arm(
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
        made.active = self.enabled
        return made

    def _on_actor(self, message: ActorStatus, info: dict[str, Any]) -> None:
        """Take an actor's mode; CellError if a player repeats it."""
        now, stamp = time.monotonic(), to_ns(message.header.stamp)
        clock = self.get_clock().now().nanoseconds
        if why := self._statuses.too_old(stamp, clock):
            raise CellError(why)
        own = self._commands.commander.note_status(message.run_id, now, sender(info))
        if own and (why := self._statuses.problem(stamp, clock, now)):
            raise CellError(why)
        if message.mode in (Mode.PAUSED, Mode.ESTOP):
            for arm in tuple(self._arms.values()):
                arm.setpoint.stay(now)
        if own:
            self._mode = message.mode

    def _on_stop_change(self) -> None:
        self._commands.commander.end()
        self._commands.publish()

    @staticmethod
    def make_executor() -> Executor:
        """Return an executor with message infos, and stops beside services and transitions."""
        return CallbackThreads(num_threads=4)

    def _watch_leader(self, leader: Arm, torque: LeaderTorque) -> None:
        """Apply the actor's mode. Its own thread: a slow leader must not delay the follower."""
        while not self._closing.wait(LEADER_POLL_PERIOD):
            if self._arms.get('leader') is not leader:
                return  # closed by a cleanup
            mode, self._mode = self._mode, ''
            if self._stop:
                continue
            if not leader.active:
                torque.forget()
            elif mode:
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

    def _diagnose_arms(self) -> None:
        """Publish the diagnostics. Its own thread: the executor polls while a callback runs."""
        while not self._closing.wait(DIAGNOSTICS_PERIOD):
            self.diagnose(*(s for arm in self._diagnosed.values() for s in arm.statuses()))

    def close(self) -> None:
        """Shut the arms down."""
        self._closing.set()
        self.end()
        self.cleanup()
