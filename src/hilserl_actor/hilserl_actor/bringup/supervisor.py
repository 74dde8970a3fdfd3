"""Runs a plan as processes, where there is no `ros2 launch`.

It starts the nodes and passes Ctrl-C on. When one node ends, it stops all others, unless that
node may be started again. Nodes write directly to this terminal. No shell runs.
"""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from so101_node.errors import CellError

from .plan import NodeSpec, Plan
from .restart_policy import RestartPolicy

GRACE = 4.5  # s from the first signal to SIGKILL


def command_line(spec: NodeSpec, namespace: str) -> list[str]:
    """Return the command line that starts one node."""
    try:
        prefix = Path(get_package_prefix(spec.package))
    except PackageNotFoundError:
        raise CellError(f'package {spec.package} is not built; run ./cell setup') from None
    words = [str(prefix / 'lib' / spec.package / spec.executable), '--ros-args']
    if namespace:
        words += ['-r', f'__ns:=/{namespace.strip("/")}']
    for name, value in spec.parameters.items():
        words += ['-p', f'{name}:={json.dumps(value)}']  # JSON scalars are YAML scalars
    return words


class Supervisor:
    """The running processes of one plan."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.children: dict[str, subprocess.Popen] = {}
        self.signalled = ''
        self.logs: dict[str, Path] = {}
        self._commands: dict[str, tuple[NodeSpec, list[str]]] = {}
        self._restarts: dict[str, RestartPolicy] = {}
        self._due: dict[str, float] = {}  # when a dead node is started again, s

    def run(self) -> int:
        """Start, watch and stop the nodes.

        Returns 0 if a person or run_for stopped the cell, or a node was done, and every process
        ended with 0.
        """
        self._commands = {
            spec.executable: (spec, command_line(spec, self.plan.namespace))
            for spec in self.plan.nodes
        }
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        if self.plan.note:
            print(f'cell: {self.plan.note}', flush=True)
        started = time.monotonic()
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
                    print(_last_lines(self.logs[name]), file=sys.stderr)
        return 1 if failed else 0

    def _start(self, name: str) -> None:
        spec, words = self._commands[name]
        self.children[name] = subprocess.Popen(
            words,
            env={**os.environ, **self.plan.environment},
            stdin=None if spec.interactive else subprocess.DEVNULL,
            **self._output(spec),
        )

    def _output(self, spec: NodeSpec) -> dict:
        """Send the output of other nodes to a file while the operator's screen is shown."""
        if spec.interactive or not (self.plan.screen and sys.stdout.isatty()):
            return {}
        path = self.plan.run_dir / 'log' / f'{spec.executable}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        again = spec.executable in self.logs  # keep the reason of its death
        self.logs[spec.executable] = path
        return {
            'stdout': open(path, 'a' if again else 'w', encoding='utf-8'),
            'stderr': subprocess.STDOUT,
        }

    def _on_signal(self, number, _frame) -> None:
        self.signalled = signal.Signals(number).name

    def _watch(self, started: float) -> str:
        """Wait until the cell ends; return a sentence on what failed, or ''."""
        while not self.signalled:
            for name, child in self.children.items():
                if name in self._due:
                    if time.monotonic() > self._due[name]:
                        del self._due[name]
                        self._start(name)
                elif child.poll() is not None and not self._schedule_restart(name, child):
                    print(f'cell: {name} ended; stopping the others', flush=True)
                    return f'{name} failed ({_exit_text(child)})' if child.returncode else ''
            if self.plan.run_for and time.monotonic() - started > self.plan.run_for:
                print(f'cell: run_for:={self.plan.run_for:g} is over; stopping', flush=True)
                return ''
            time.sleep(0.1)
        print(f'cell: {self.signalled}; stopping', flush=True)
        return ''

    def _schedule_restart(self, name: str, child: subprocess.Popen) -> bool:
        """Schedule the next start of a dead node; return whether its restart policy allows it."""
        delay = (
            self._restarts[name].delay_after(child.returncode) if name in self._restarts else None
        )
        if delay is None:
            return False
        print(
            f'cell: {name} died ({_exit_text(child)}); starting it again in {delay:g} s',
            flush=True,
        )
        self._due[name] = time.monotonic() + delay
        return True

    def _stop(self) -> str:
        running = {n: c for n, c in self.children.items() if c.poll() is None}
        for child in running.values():
            child.send_signal(signal.SIGINT)
        deadline = time.monotonic() + GRACE
        problems = []
        for name, child in running.items():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
                if child.returncode:
                    problems.append(f'{name} failed ({_exit_text(child)})')
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                problems.append(f'{name} did not end within {GRACE} s and was killed')
        return '; '.join(problems)


def _exit_text(child: subprocess.Popen) -> str:
    code = child.returncode
    return signal.Signals(-code).name if code < 0 else f'exit code {code}'


def _last_lines(path: Path) -> str:
    lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
    return '\n'.join(lines[-5:])
