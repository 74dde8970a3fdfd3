"""How every node of the suite starts and ends.

Parameters are declared from a table and unknown ones refused by name. The executor spins in its
own thread; the main thread waits for SIGINT, SIGTERM, a fatal error or the death of the launcher
(`ros2 launch` does not pass SIGTERM on, so its nodes would live for ever). Then `close()` runs
once, with the executor still spinning, and the process exits with 0, or 1 after an error.
"""

import contextlib
from dataclasses import dataclass
from functools import cached_property
import os
import signal
import sys
import threading
import traceback

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from . import names, qos
from .errors import CellError

try:  # Kilted and later: half the CPU of the wait-set executors
    from rclpy.experimental.events_executor import EventsExecutor as Executor
except ImportError:
    Executor = SingleThreadedExecutor

PRIORITY = 10  # of SCHED_FIFO
SWITCH_INTERVAL = 0.0005  # s that a thread waits for Python's lock; 5 ms by default


@dataclass(frozen=True)
class Parameter:
    """One ROS parameter: default, what it means, and what is allowed."""

    name: str
    default: object
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple = ()
    read_only: bool = True


class CellNode(Node):
    """A node whose parameters are a table and whose mistakes are sentences."""

    PARAMETERS: tuple[Parameter, ...] = ()
    URGENT = False  # its threads go before those of other processes, where that is allowed

    def __init__(self, name: str):
        super().__init__(name)
        self.stop_event = threading.Event()
        self.error: str | None = None
        for parameter in self.PARAMETERS:
            self._declare(parameter)
        known = {p.name for p in self.PARAMETERS} | {
            'use_sim_time',
            'start_type_description_service',
        }
        unknown = sorted(
            n for n in self._parameter_overrides if n not in known and not n.startswith('qos_')
        )
        if unknown:
            raise CellError(
                f'unknown parameter {", ".join(unknown)}; {name} knows: '
                + ', '.join(sorted(p.name for p in self.PARAMETERS))
            )
        if any(not p.read_only for p in self.PARAMETERS):
            self.add_on_set_parameters_callback(self._check_choices)

    def _declare(self, parameter: Parameter) -> None:
        text = parameter.description
        if parameter.choices:
            text += ' (one of: ' + ', '.join(str(c) for c in parameter.choices) + ')'
        descriptor = ParameterDescriptor(description=text, read_only=parameter.read_only)
        if parameter.low is not None and parameter.high is not None:
            if isinstance(parameter.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(
                        from_value=float(parameter.low), to_value=float(parameter.high)
                    )
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(
                        from_value=int(parameter.low), to_value=int(parameter.high), step=1
                    )
                ]
        override = self._parameter_overrides.get(parameter.name)
        if (
            override is not None
            and isinstance(parameter.default, float)
            and isinstance(override.value, int)
            and not isinstance(override.value, bool)
        ):
            # `-p rate:=10` is meant as 10.0
            self._parameter_overrides[parameter.name] = rclpy.Parameter(
                parameter.name, value=float(override.value)
            )
        elif (
            override is not None
            and isinstance(parameter.default, str)
            and isinstance(override.value, (int, float))
            and not isinstance(override.value, bool)
        ):
            # `-p sigma:=0.5` is a number to YAML and the text of one to us
            self._parameter_overrides[parameter.name] = rclpy.Parameter(
                parameter.name, value=str(override.value)
            )
        try:
            value = self.declare_parameter(parameter.name, parameter.default, descriptor).value
        except Exception as error:  # rclpy has one class a way to be wrong; all carry a reason
            raise CellError(
                f'parameter {parameter.name}: {override.value if override else None!r} '
                f'is not allowed: {error}'
            ) from error
        if parameter.choices and value not in parameter.choices:
            raise CellError(
                f'parameter {parameter.name}: {value!r} is not one of '
                + ', '.join(repr(c) for c in parameter.choices)
            )

    def _check_choices(self, changes) -> SetParametersResult:
        table = {p.name: p for p in self.PARAMETERS}
        for change in changes:
            entry = table.get(change.name)
            if entry and entry.choices and change.value not in entry.choices:
                return SetParametersResult(
                    successful=False, reason=f'{change.name} is one of {entry.choices}'
                )
        return SetParametersResult(successful=True)

    def param(self, name: str):
        """Value of a declared parameter."""
        return self.get_parameter(name).value

    @cached_property
    def _diagnostics(self):
        return self.create_publisher(DiagnosticArray, names.DIAGNOSTICS, qos.STATUS)

    def diagnose(self, *statuses: DiagnosticStatus) -> None:
        """Publish statuses; those of a cell in a namespace are named so."""
        for status in statuses:
            status.name = names.in_cell(self.get_namespace(), status.name)
        message = DiagnosticArray(status=list(statuses))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def fatal(self, sentence: str) -> None:
        """End the process with 1 and this sentence; callable from any thread."""
        if self.error is None:
            self.error = sentence
        self.stop_event.set()

    def guard(self, function, *args):
        """Start a daemon thread whose death by exception ends the process with its reason."""

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
        """Leave the world in order (called once, executor still spinning)."""


def urgent() -> None:
    """Let this thread, and those that it starts, run before ordinary ones, if the system allows.

    As root, or with `rtprio` in /etc/security/limits.conf; else the threads stay ordinary.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


def not_urgent() -> None:
    """Make this thread an ordinary one again."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class _Interrupted(BaseException):
    """A signal came while the node was still being built."""


def run(make_node, args=None) -> None:
    """Run a node until a signal, `fatal()` or the launcher's death; exits the process."""
    launcher = os.getppid()
    if getattr(make_node, 'URGENT', False):  # before the middleware starts its threads
        urgent()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()
    node, code = None, 0

    def on_signal(*_):
        if node is None and not stop.is_set():
            stop.set()
            raise _Interrupted  # it may be waiting for a port or reading bags
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
            never = rclpy.task.Future()
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
                node.get_logger().warning('the launcher is gone: ending')
                break
        node.close()
        ended.set()
        thread.join(1.0)
        if node.error:
            raise CellError(node.error)
    except _Interrupted:
        pass
    except CellError as error:
        name = node.get_fully_qualified_name() if node else os.path.basename(sys.argv[0])
        print(f'{name}: {error}', file=sys.stderr, flush=True)
        code = 1
    except Exception:
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Destroying rclpy entities while other threads may still hold them can hang or crash;
        # DDS participants of a process that ends are removed by the middleware.
        try:
            rclpy.try_shutdown()
        finally:
            os._exit(code)
