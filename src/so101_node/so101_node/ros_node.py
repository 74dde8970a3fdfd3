"""Starts and ends every node of the suite.

A node's parameters are the fields of a dataclass (`options.py`); an unknown parameter is an error.
The executor spins in its own thread. The main thread waits for SIGINT, SIGTERM, a fatal error or
the death of the launcher (`ros2 launch` does not pass SIGTERM on, so its nodes would never end).
Then `close()` runs once, while the executor still spins. The process exits with 0, or with 1 after
an error.
"""

import contextlib
from functools import cached_property
import os
import signal
import sys
import threading
import traceback
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from . import names, qos
from .errors import CellError
from .options import Option, Options, checked, nearest, options_of, plain

try:  # Kilted and later: half the CPU of the wait-set executors
    from rclpy.experimental.events_executor import EventsExecutor as Executor
except ImportError:
    Executor = SingleThreadedExecutor

PRIORITY = 10  # of SCHED_FIFO
_OF_ROS = ('use_sim_time', 'start_type_description_service')  # parameters of every rclpy node
SWITCH_INTERVAL = 0.0005  # s that a thread waits for Python's lock; Python's default is 5 ms


class CellNode(Node):
    """A node whose parameters are its `OPTIONS`; errors are reported as sentences.

    `options` is an instance of OPTIONS with the values in use.
    """

    OPTIONS: type[Options] = Options
    URGENT = False  # run its threads with real-time priority, where the system allows it

    def __init__(self, name: str):
        super().__init__(name)
        self.stop_event = threading.Event()
        self.error: str | None = None
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

    def _declare(self, option: Option) -> Any:
        """Declare the parameter of an option and return its value."""
        override = self._parameter_overrides.get(option.name)
        if override is not None:
            # ROS reads `-p rate:=10` as an integer and `-p sigma:=0.5` as a number: convert them.
            value = plain(option.checked(override.value))
            self._parameter_overrides[option.name] = rclpy.Parameter(option.name, value=value)
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

    @cached_property
    def _diagnostics(self):
        return self.create_publisher(DiagnosticArray, names.DIAGNOSTICS, qos.STATUS)

    def diagnose(self, *statuses: DiagnosticStatus) -> None:
        """Publish statuses; a cell's namespace becomes part of their names."""
        for status in statuses:
            status.name = names.in_cell(self.get_namespace(), status.name)
        message = DiagnosticArray(status=list(statuses))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def fatal(self, sentence: str) -> None:
        """End the process with exit code 1 and this sentence. Safe to call from any thread."""
        if self.error is None:
            self.error = sentence
        self.stop_event.set()

    def guard(self, function, *args):
        """Start a daemon thread. An exception in it ends the process with its message."""

        def body():
            try:
                function(*args)
            except CellError as error:
                self.fatal(str(error))
            except Exception:
                self.fatal(f'{function.__qualname__} failed\n{traceback.format_exc()}')

        thread = threading.Thread(target=body, daemon=True, name=function.__qualname__)
        thread.start()
        return thread

    def close(self) -> None:
        """Clean up. Called once, while the executor still spins."""


def urgent() -> None:
    """Give this thread, and threads that it starts, real-time priority where the system allows it.

    Root may, and users with `rtprio` in /etc/security/limits.conf. Otherwise nothing changes.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


def not_urgent() -> None:
    """Give this thread ordinary priority again."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class _Interrupted(BaseException):
    """A signal arrived while the node was being constructed."""


def run(make_node, args=None) -> None:
    """Run a node until a signal, `fatal()` or the launcher's death. Exits the process."""
    launcher = os.getppid()
    if getattr(make_node, 'URGENT', False):  # before the middleware starts its threads
        urgent()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()
    node = None
    failure: Exception | None = None

    def on_signal(*_):
        if node is None and not stop.is_set():
            stop.set()
            raise _Interrupted  # the constructor may be waiting for a port or reading bags
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    try:
        node = make_node()
        executor = Executor()
        executor.add_node(node)

        def spin():
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
            if os.getppid() != launcher:
                node.get_logger().warning('the launcher is gone; the node ends')
                break
        node.close()
        ended.set()
        thread.join(1.0)
        if node.error:
            raise CellError(node.error)
    except _Interrupted:
        pass
    except CellError as error:
        failure = error
        name = node.get_fully_qualified_name() if node else os.path.basename(sys.argv[0])
        print(f'{name}: {error}', file=sys.stderr, flush=True)
    except Exception as error:
        failure = error
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Destroying rclpy entities while other threads use them can hang or crash. The middleware
        # removes the DDS participants of a process that has ended. `failure` keeps the frames of
        # a constructor that raised, and with them the entities that it had made.
        try:
            rclpy.try_shutdown()
        finally:
            os._exit(0 if failure is None else 1)
