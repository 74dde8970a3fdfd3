"""Starts and ends every node of the suite.

A node's parameters are the fields of a dataclass (`options.py`); an unknown parameter is an error.
The executor spins in its own thread. The main thread waits for an ending signal (`signals.py`), a
fatal error or the death of the launcher (`ros2 launch` does not pass SIGTERM on, so its nodes
would never end). Then `close()` runs once, while the executor still spins. The process exits with
0, with 1 after an error, or with REFUSED if it cannot start with its options and files.
"""

from collections.abc import Callable
import contextlib
from functools import cached_property
import os
import sys
import threading
import traceback
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
import rclpy
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.rcutils_logger import Throttle
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from rclpy.timer import Timer

from . import names, qos
from .errors import REFUSED, CellError
from .graph import publisher_names
from .guarded import guarded_server, guarded_subscriber
from .home import home_environment
from .loopback import PROFILE, loopback_environment, sockets_beyond_loopback
from .options import Option, Options, checked, nearest, options_of, plain
from .output import keep_going_without_output
from .refusals import Refusals
from .sign_of_life import READY, give
from .signals import handle_endings
from .wall_clock import WallClock, clock_sentence

try:  # Kilted and later: half the CPU of the wait-set executors
    from rclpy.experimental.events_executor import EventsExecutor as Executor
except ImportError:
    Executor = SingleThreadedExecutor

PRIORITY = 10  # of SCHED_FIFO, of what moves the arms
OPERATOR_PRIORITY = 5  # a stop key must not wait for other programs
_OF_ROS = ('use_sim_time', 'start_type_description_service')  # parameters of every rclpy node
# Who publishes /clock would decide how old a command is.
SIM_TIME = 'use_sim_time:=true cannot be used: servos and cameras keep real time; leave it out'
STEADY = Clock(clock_type=ClockType.STEADY_TIME)
# The wall clock may be set back: a throttled log line must not wait until it has caught up.
Throttle.params['throttle_time_source_type'] = STEADY
SWITCH_INTERVAL = 0.0005  # s that a thread waits for Python's lock; Python's default is 5 ms


def _refuse_sim_time(parameters: list[Parameter[Any]]) -> SetParametersResult:
    refused = any(each.name == 'use_sim_time' and each.value for each in parameters)
    return SetParametersResult(successful=not refused, reason=SIM_TIME if refused else '')


class CellNode(Node):
    """A node whose parameters are its `OPTIONS`; errors are reported as sentences.

    `options` is an instance of OPTIONS with the values in use.
    """

    OPTIONS: type[Options] = Options
    URGENT = 0  # real-time priority of its threads, where the system allows it; 0: none
    has_threads = False  # once true, a signal waits for the constructor, so that close() ends them

    def __init__(self, name: str):
        # rclpy's constructor makes services already
        self.refusals = Refusals(lambda line: self.get_logger().warning(line))
        # rcl logs what a request of its service for type descriptions holds, without a limit
        without = Parameter('start_type_description_service', value=False)
        super().__init__(name, parameter_overrides=[without])
        self.stop_event = threading.Event()
        self.error: str | None = None
        self.refused = False  # the error is one that a new start would find again
        table = options_of(self.OPTIONS)
        unknown = [
            given
            for given in sorted(self._parameter_overrides)
            if given not in table and given not in _OF_ROS and not given.startswith('qos_')
        ]
        if unknown:
            near = nearest(unknown[0], table)
            raise CellError(
                f'unknown parameter {", ".join(unknown)}; {name} knows: '
                + ', '.join(sorted(table))
                + near
            )
        self.options: Any = checked(
            self.OPTIONS, {known: self._declare(each) for known, each in table.items()}
        )
        if self.get_parameter('use_sim_time').value:
            raise CellError(SIM_TIME)
        self.add_on_set_parameters_callback(_refuse_sim_time)

    def _declare(self, option: Option) -> Any:
        """Declare the parameter of an option and return its value."""
        override = self._parameter_overrides.get(option.name)
        if override is not None:
            # ROS reads `-p rate:=10` as an integer and `-p sigma:=0.5` as a number: convert them.
            value = plain(option.checked(override.value))
            self._parameter_overrides[option.name] = Parameter(option.name, value=value)
        descriptor = ParameterDescriptor(description=option.described(), read_only=True)
        if option.low is not None and option.high is not None and not option.many:
            if option.kind is float:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(option.low), to_value=float(option.high))
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(option.low), to_value=int(option.high), step=1)
                ]
        return self.declare_parameter(option.name, plain(option.default), descriptor).value

    def create_timer(
        self,
        timer_period_sec: float,
        callback: Any,
        callback_group: CallbackGroup | None = None,
        clock: Clock | None = None,
        autostart: bool = True,
    ) -> Timer:
        """Create a timer of the steady clock: when the wall clock is set, it goes on."""
        return super().create_timer(
            timer_period_sec, callback, callback_group, clock or STEADY, autostart
        )

    @cached_property
    def _diagnostics(self) -> Publisher[DiagnosticArray]:
        return self.create_publisher(DiagnosticArray, names.DIAGNOSTICS, qos.STATUS)

    def diagnose(self, *statuses: DiagnosticStatus) -> None:
        """Publish statuses; a cell's namespace becomes part of their names."""
        for status in statuses:
            status.name = names.in_cell(self.get_namespace(), status.name)
        message = DiagnosticArray(status=list(statuses))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def create_subscription(  # type: ignore[override]
        self, kind: Any, topic: str, callback: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        """Subscribe. A message for which the callback raises is refused, counted and logged."""
        guarded = guarded_subscriber(
            callback, topic, self.refusals, lambda: publisher_names(self, topic)
        )
        return super().create_subscription(kind, topic, guarded, *args, **options)

    def create_service(  # type: ignore[override]
        self, kind: Any, name: str, callback: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        """Offer a service. A request for which the callback raises is refused."""
        guarded = guarded_server(callback, name, self.refusals)
        return super().create_service(kind, name, guarded, *args, **options)

    def fatal(self, sentence: str, refused: bool = False) -> None:
        """End the process with this sentence and exit code 1. Safe to call from any thread.

        refused: with exit code REFUSED; a new start would find the same error.
        """
        if self.error is None:
            self.error, self.refused = sentence, refused
        self.stop_event.set()

    def guard(self, function: Callable[..., object], *args: object) -> threading.Thread:
        """Start a daemon thread. An exception in it ends the process with its message."""

        def body() -> None:
            try:
                function(*args)
            except CellError as error:
                self.fatal(str(error))
            except Exception:
                self.fatal(f'{function.__qualname__} failed\n{traceback.format_exc()}')

        thread = threading.Thread(target=body, daemon=True, name=function.__qualname__)
        CellNode.has_threads = True
        thread.start()
        return thread

    @staticmethod
    def make_executor() -> Any:
        """Return the executor that spins the node."""
        return Executor()

    def close(self) -> None:
        """Clean up. Called once, while the executor still spins."""


def urgent(priority: int = PRIORITY) -> None:
    """Give this thread, and threads that it starts, real-time priority where the system allows it.

    Root may, and users with `rtprio` in /etc/security/limits.conf. Otherwise nothing changes.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def not_urgent() -> None:
    """Give this thread ordinary priority again."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def warn_of_open_sockets(node: Node) -> None:
    """Warn if the middleware ignored the profile, so that other hosts reach this node."""
    bound = loopback_environment(os.environ)
    # Fast DDS has UDP sockets; a TCP socket is one that the node opened on purpose, as a server
    sockets = [each for each in sockets_beyond_loopback() if each.startswith('udp')]
    if str(PROFILE) in bound.values() and sockets:
        node.get_logger().warning(
            f'other hosts can send to this node at {", ".join(sockets[:4])}: the middleware does '
            f'not use {PROFILE}; use a network of its own for this host'
        )


class _Interrupted(BaseException):
    """A signal arrived while the node was being constructed."""


def _no_trace_of_interruption(unraisable: Any) -> None:
    """Report exceptions that Python ignores, except that of a signal."""
    if not isinstance(unraisable.exc_value, _Interrupted):
        sys.__unraisablehook__(unraisable)


def run(
    make_node: Callable[[], CellNode], args: list[str] | None = None, launcher: int | None = None
) -> None:
    """Run a node until a signal, `fatal()` or the launcher's death. Exits the process.

    launcher: process id of the launcher; None: it is this process's parent now.
    """
    launcher = launcher or os.getppid()
    stop = threading.Event()
    node: CellNode | None = None
    kept: list[BaseException] = []  # keeps the entities of a constructor that raised
    code = 1

    def on_signal(*_: object) -> None:
        if node is None and not stop.is_set() and not CellNode.has_threads:
            stop.set()
            raise _Interrupted  # the constructor may be waiting for a port or reading bags
        stop.set()

    try:
        keep_going_without_output()
        sys.unraisablehook = _no_trace_of_interruption
        handle_endings(on_signal)
        if priority := getattr(make_node, 'URGENT', 0):  # before the middleware has threads
            urgent(priority)
        os.environ.update(loopback_environment(os.environ) | home_environment(os.environ))
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node, wall_clock = make_node(), WallClock()
        warn_of_open_sockets(node)
        give(READY)
        executor = node.make_executor()
        executor.add_node(node)

        def spin() -> None:
            # EventsExecutor.spin() neither runs off the main thread nor stops on shutdown()
            # (rclpy 9.1.2); slices of spin_until_future_complete do both.
            never: rclpy.task.Future[None] = rclpy.task.Future()
            try:
                while not ended.is_set():
                    executor.spin_until_future_complete(never, timeout_sec=0.25)
            except ExternalShutdownException:
                pass
            except CellError as error:
                node.fatal(str(error))
            except Exception:
                node.fatal(f'a callback failed\n{traceback.format_exc()}')
            node.stop_event.set()

        ended = threading.Event()
        thread = threading.Thread(target=spin, daemon=True, name='executor')
        thread.start()
        while not (stop.is_set() or node.stop_event.is_set()):
            node.stop_event.wait(0.1)
            if step := wall_clock.step():
                node.get_logger().warning(clock_sentence(step))
            if os.getppid() != launcher:
                node.get_logger().warning('the launcher is gone; the node ends')
                break
        node.close()
        ended.set()
        thread.join(1.0)
        if node.error:
            raise CellError(node.error)
        code = 0
    except _Interrupted as interruption:
        kept.append(interruption)
        code = 0
    except Exception as error:
        kept.append(error)
        if node is None and stop.is_set():  # code in the constructor converted the interruption
            code = 0
        elif isinstance(error, CellError):
            code = REFUSED if node is None or node.refused else code
            name = node.get_fully_qualified_name() if node else os.path.basename(sys.argv[0])
            print(f'{name}: {error}', file=sys.stderr, flush=True)
        else:
            traceback.print_exc()
    finally:
        # Destroying rclpy entities while other threads use them can hang or crash. The middleware
        # removes the DDS participants of a process that has ended.
        try:
            stop.set()
            sys.stdout.flush()
            sys.stderr.flush()
            rclpy.try_shutdown()
        finally:
            os._exit(code)
