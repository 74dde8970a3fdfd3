"""The cell as processes, where there is no `ros2 launch`.

Starts what `bringup` says, passes Ctrl-C on, and ends everything when one part ends, unless that
part may be started again. Nodes write straight to this terminal; nothing goes through a shell.
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
from .restart_policy import Restarts

GRACE = 4.5  # s from the first signal to SIGKILL


def command_line(spec: NodeSpec, namespace: str) -> list[str]:
    """Return the words that start one node."""
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
        self._lines: dict[str, tuple[NodeSpec, list[str]]] = {}
        self._restarts: dict[str, Restarts] = {}
        self._due: dict[str, float] = {}  # parts to be started again, and when

    def run(self) -> int:
        """Start, watch, stop. 0 if asked to stop (or done) and every process ended with 0."""
        self._lines = {
            spec.executable: (spec, command_line(spec, self.plan.namespace))
            for spec in self.plan.nodes
        }
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        if self.plan.note:
            print(f'cell: {self.plan.note}', flush=True)
        started = time.monotonic()
        for name, (spec, _) in self._lines.items():
            self._start(name)
            if spec.restart:
                self._restarts[name] = Restarts()
        failed = self._watch(started)
        failed = self._stop() or failed
        if failed:
            print(f'cell: {failed}', file=sys.stderr)
            for name in self.logs:
                if name in failed:
                    print(_last_words(self.logs[name]), file=sys.stderr)
        return 1 if failed else 0

    def _start(self, name: str) -> None:
        spec, words = self._lines[name]
        self.children[name] = subprocess.Popen(
            words,
            env={**os.environ, **self.plan.environment},
            stdin=None if spec.interactive else subprocess.DEVNULL,
            **self._output(spec),
        )

    def _output(self, spec: NodeSpec) -> dict:
        """A screen on this terminal leaves no room for what the other nodes print."""
        if spec.interactive or not (self.plan.screen and sys.stdout.isatty()):
            return {}
        path = self.plan.run_dir / 'log' / f'{spec.executable}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        again = spec.executable in self.logs  # what it died of stays
        self.logs[spec.executable] = path
        return {
            'stdout': open(path, 'a' if again else 'w', encoding='utf-8'),
            'stderr': subprocess.STDOUT,
        }

    def _on_signal(self, number, _frame) -> None:
        self.signalled = signal.Signals(number).name

    def _watch(self, started: float) -> str:
        """Wait for the end; returns what failed, or ''."""
        while not self.signalled:
            for name, child in self.children.items():
                if name in self._due:
                    if time.monotonic() > self._due[name]:
                        del self._due[name]
                        self._start(name)
                elif child.poll() is not None and not self._again(name, child):
                    print(f'cell: {name} ended; stopping the others', flush=True)
                    return f'{name} failed ({_ending(child)})' if child.returncode else ''
            if self.plan.run_for and time.monotonic() - started > self.plan.run_for:
                print(f'cell: run_for:={self.plan.run_for:g} is over; stopping', flush=True)
                return ''
            time.sleep(0.1)
        print(f'cell: {self.signalled}; stopping', flush=True)
        return ''

    def _again(self, name: str, child: subprocess.Popen) -> bool:
        """Have a part that died started again, if it may be."""
        delay = self._restarts[name].after(child.returncode) if name in self._restarts else None
        if delay is None:
            return False
        print(
            f'cell: {name} died ({_ending(child)}); starting it again in {delay:g} s', flush=True
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
                    problems.append(f'{name} failed ({_ending(child)})')
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                problems.append(f'{name} did not end within {GRACE} s and was killed')
        return '; '.join(problems)


def _ending(child: subprocess.Popen) -> str:
    code = child.returncode
    return signal.Signals(-code).name if code < 0 else f'exit code {code}'


def _last_words(path: Path) -> str:
    lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
    return '\n'.join(lines[-5:])
