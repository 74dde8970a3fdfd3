"""Runs a plan as processes, where there is no `ros2 launch`.

It starts the nodes and passes Ctrl-C on; a closed terminal counts as Ctrl-C. When one node ends,
it stops all others, unless that node may be started again. Nodes write directly to this terminal.
No shell runs.
"""

from collections.abc import Iterable
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import TextIO

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from so101_node.durable import make_private
from so101_node.errors import CellError
from so101_node.output import output_is_gone
from so101_node.signals import handle_endings, ignore_terminal

from .log_files import last_lines, open_log
from .plan import NodeSpec, Plan
from .restart_policy import RestartPolicy
from .rights import enclave
from .start_progress import StartProgress
from .startup_watch import LIMIT, StartupWatch

GRACE = 15.0  # s from the first signal to SIGKILL; a busy machine needs some for rest and files
SIMULATED_GRACE = 4.0  # factor of it for a simulated cell: no arm waits
PATIENCE = 4.5  # s after which the nodes that still run are named
AGAIN = 0.5  # s between two signals to a node that is starting, which ignores them for a moment


def command_line(spec: NodeSpec, namespace: str) -> list[str]:
    """Return the command line that starts one node."""
    try:
        prefix = Path(get_package_prefix(spec.package))
    except PackageNotFoundError:
        raise CellError(f'package {spec.package} is not built; run ./cell setup') from None
    words = [str(prefix / 'lib' / spec.package / spec.executable), '--ros-args']
    if namespace:
        words += ['-r', f'__ns:=/{namespace.strip("/")}']
    if spec.node != spec.executable:
        words += ['-r', f'__node:={spec.node}']
    if os.environ.get('ROS_SECURITY_ENABLE') == 'true':
        words += ['--enclave', enclave(namespace, spec.node)]
    for name, value in spec.parameters.items():
        words += ['-p', f'{name}:={json.dumps(value)}']  # JSON scalars are YAML scalars
    return words


class Supervisor:
    """The running processes of one plan."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.signalled = ''
        self.logs: dict[str, Path] = {}
        self._commands: dict[str, tuple[NodeSpec, list[str]]] = {}
        self._restarts: dict[str, RestartPolicy] = {}
        self._due: dict[str, float] = {}  # when a dead node is started again, s
        self._watches: dict[str, StartupWatch] = {}
        self._hung: set[str] = set()  # nodes that were started again because they hung
        self._told_of_ctrl_z = False
        self._progress: StartProgress | None = None  # while a simulated cell starts

    def run(self) -> int:
        """Start, watch and stop the nodes.

        Returns 0 if a person or run_for stopped the cell, or a node was done, and every process
        ended with 0.
        """
        self._commands = {
            spec.node: (spec, command_line(spec, self.plan.namespace)) for spec in self.plan.nodes
        }
        handle_endings(self._on_signal)
        signal.signal(signal.SIGTSTP, self._on_ctrl_z)
        if self.plan.note:
            print(f'cell: {self.plan.note}', flush=True)
        if self.plan.console:
            print(f'cell: see and steer it in a browser: {self.plan.console}', flush=True)
        started = time.monotonic()
        if self.plan.simulated:
            self._progress = StartProgress(started)
        for name, (spec, _) in self._commands.items():
            self._start(name)
            if spec.restart:
                self._restarts[name] = RestartPolicy()
        failed = self._watch(started)
        failed = self._stop() or failed
        if failed:
            print(f'cell: {failed}', file=sys.stderr)
            for name in self.logs:
                if name in failed:
                    print(last_lines(self.logs[name]), file=sys.stderr)
        return 1 if failed else 0

    def _start(self, name: str) -> None:
        spec, words = self._commands[name]
        log = self._log_file(spec)
        if name in self._watches:
            self._watches[name].close()
        watch = self._watches[name] = StartupWatch()
        self.children[name] = subprocess.Popen(
            words,
            env={**os.environ, **self.plan.environment, **watch.environment},
            stdin=None if spec.interactive else subprocess.DEVNULL,
            pass_fds=[watch.child_end],
            preexec_fn=ignore_terminal,
            stdout=log,
            stderr=subprocess.STDOUT if log else None,
        )
        watch.started(self.children[name].pid)

    def _log_file(self, spec: NodeSpec) -> TextIO | None:
        """Return the file for a node's output while the operator's screen is shown, else None."""
        if spec.interactive or not (self.plan.screen and sys.stdout.isatty()):
            return None
        path = self.plan.run_dir / 'log' / f'{spec.node}.txt'
        make_private(path.parent)
        again = spec.node in self.logs
        self.logs[spec.node] = path
        return open_log(path, again)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.signalled = signal.Signals(number).name

    def _on_ctrl_z(self, _number: int, _frame: FrameType | None) -> None:
        if not self._told_of_ctrl_z:
            self._told_of_ctrl_z = True
            print(
                'cell: Ctrl-Z is ignored: a stopped driver would leave the arm powered; '
                'Ctrl-C ends the cell',
                flush=True,
            )

    def _watch(self, started: float) -> str:
        """Wait until the cell ends; return a sentence on what failed, or ''."""
        while not self.signalled:
            for name, child in list(self.children.items()):
                if name in self._due:
                    if time.monotonic() > self._due[name]:
                        del self._due[name]
                        self._start(name)
                elif child.poll() is None and self._watches[name].hangs():
                    if problem := self._end_hung(name, child):
                        return problem
                elif child.poll() is not None and not self._schedule_restart(name, child):
                    if self._commands[name][0].optional:
                        self._go_on_without(name, child)
                        continue
                    print(f'cell: {name} ended; stopping the others', flush=True)
                    return f'{name} failed ({_exit_text(child)})' if child.returncode else ''
            if self._progress:
                started = time.monotonic()  # run_for counts from the end of the start
                if problem := self._watch_start(self._progress, started):
                    return problem
            elif self.plan.run_for and time.monotonic() - started > self.plan.run_for:
                print(f'cell: run_for:={self.plan.run_for:g} is over; stopping', flush=True)
                return ''
            if output_is_gone():
                self.signalled = 'the terminal, or the reader of the output, is gone'
            time.sleep(0.1)
        print(f'cell: {self.signalled}; stopping', flush=True)
        return ''

    def _watch_start(self, progress: StartProgress, now: float) -> str:
        """Tell what the start waits for; return a sentence if it takes too long."""
        if any(watch.has_passed() for watch in self._watches.values()):
            self._progress = None
            return ''
        waiting = [name for name, watch in self._watches.items() if not watch.has_started()]
        screens = (spec.node for spec in self.plan.nodes if spec.interactive)
        hidden = self.plan.screen and any(self._watches[name].ready for name in screens)
        if not hidden and (line := progress.line(now, waiting)):
            print(f'cell: {line}', flush=True)
        return progress.problem(now, waiting)

    def _schedule_restart(self, name: str, child: subprocess.Popen[bytes]) -> bool:
        """Schedule the next start of a dead node; return whether its restart policy allows it."""
        delay = (
            self._restarts[name].delay_after(child.returncode, self._watches[name].has_started())
            if name in self._restarts
            else None
        )
        if delay is None:
            return False
        print(
            f'cell: {name} died ({_exit_text(child)}); starting it again in {delay:g} s',
            flush=True,
        )
        self._due[name] = time.monotonic() + delay
        return True

    def _go_on_without(self, name: str, child: subprocess.Popen[bytes]) -> None:
        """Note that a node ended which the cell does not need."""
        del self.children[name]
        print(f'cell: {name} ended ({_exit_text(child)}); the cell goes on without it', flush=True)

    def _end_hung(self, name: str, child: subprocess.Popen[bytes]) -> str:
        """Kill a node that hangs in its start; start it again once, then return a sentence."""
        child.kill()
        child.wait()
        if name in self._hung and self._commands[name][0].optional:
            self._go_on_without(name, child)
            return ''
        if name in self._hung:
            return (
                f'{name} failed: it gave no sign of life for {LIMIT:.0f} s while it started, '
                'twice; end other programs, then start the cell again'
            )
        self._hung.add(name)
        print(
            f'cell: {name} gave no sign of life for {LIMIT:.0f} s while it started; '
            'it was killed and is started again, once',
            flush=True,
        )
        self._due[name] = time.monotonic()
        return ''

    def _stop(self) -> str:
        running = {n: c for n, c in self.children.items() if c.poll() is None}
        began = signalled_at = time.monotonic()
        told, problems = False, []
        grace = GRACE * (SIMULATED_GRACE if self.plan.simulated else 1.0)
        _interrupt(running.values())
        while running:
            now = time.monotonic()
            if now - began > grace:
                for name, child in running.items():
                    child.kill()
                    child.wait()
                    problems.append(f'{name} did not end within {grace} s and was killed')
                break
            if now - signalled_at > AGAIN:
                _interrupt(c for n, c in running.items() if not self._watches[n].has_started())
                signalled_at = now
            if now - began > PATIENCE and not told:
                told = True
                print(f'cell: waiting for {", ".join(running)} to end', flush=True)
            time.sleep(0.02)
            for name, child in list(running.items()):
                if child.poll() is not None:
                    del running[name]
                    if child.returncode:
                        problems.append(f'{name} failed ({_exit_text(child)})')
        for watch in self._watches.values():
            watch.close()
        return '; '.join(problems)


def _interrupt(children: Iterable[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGCONT)  # a stopped node must bring its arm to rest, too


def _exit_text(child: subprocess.Popen[bytes]) -> str:
    code = child.returncode
    return signal.Signals(-code).name if code < 0 else f'exit code {code}'
