"""Runs the whole cell for an hour, with --faults under constant faults, and looks for losses.

Each minute the operator's key stops the arm. With --faults, the servos' answers are spoilt all the
time; now and then a servo is silent, or reports an overload, or a node is stopped (SIGSTOP).
"""

import argparse
from collections import defaultdict
import contextlib
import json
import os
from pathlib import Path
import random
import signal
import sys
import tempfile
import threading
import time
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from stop import Cell, one_stop

from hilserl_core.bags.episode_bag import open_bags
from hilserl_tests.cell_process import own_domain
from so101_interfaces.msg import LearnerStatus, Step
from so101_node import names, qos
from so101_node.durable import replace_file
from so101_node.ros_node import run as run_node
from so101_sim.sts3215 import GOAL_POSITION, Sts3215
from so101_sim.wire_faults import KINDS
from so101_sim.world_node import WorldNode

COUNTS, FAULTS = 'SOAK_COUNTS', 'SOAK_FAULTS'  # variables of the process of the bench
AS_WORLD = '--as-world'  # first word of the process that is the simulated bench
MAX_SPEED = 2.0  # rad/s, the driver's limit
CYCLE = 0.01  # s of the driver
ROUNDING = 2  # ticks
LOST = 2  # goals that may get lost one after the other
SAMPLE = 10.0  # s between two looks at the processes
WARM_UP = 0.25  # share of the time before the slope of memory is taken
SERIOUS = 0.01  # share of the faults that are a silent servo, or an overload: two a minute
OVERLOAD = 32  # the error bit
PAUSED = ('driver', 'actor', 'kinematics', 'learner')  # nodes that are stopped for a moment
MB = 1e6


class SoakWorld(WorldNode):
    """The simulated bench: it counts jumps of the follower's goals and spoils servos' answers."""

    def __init__(self) -> None:
        super().__init__()
        self._chance = random.Random(0)
        self._file = Path(os.environ[COUNTS])
        self._jumps, self._largest = 0, 0.0
        follower = self._plant.arms['follower']
        for servo, rad_per_tick in zip(follower.servos, np.abs(follower.rad_per_tick)):
            self._watch(servo, float(rad_per_tick))
        self.guard(self._write_counts)
        if os.environ[FAULTS]:
            self.guard(self._spoil)

    def _watch(self, servo: Sts3215, rad_per_tick: float) -> None:
        """Compare each goal that the servo gets with the one before, while it has torque.

        A goal nearer to the joint, as at a stop, is no jump. A goal may get lost on the wire.
        """
        write, speed = servo.write, MAX_SPEED / rad_per_tick
        written = time.monotonic()

        def checked(address: int, data: bytes) -> None:
            nonlocal written
            had_torque, before = servo.torque_on, servo.goal
            write(address, data)
            step, at = abs(servo.goal - before), servo.sensed.position
            if had_torque and abs(servo.goal - at) > abs(before - at):
                self._largest = max(self._largest, step * rad_per_tick)
                age = time.monotonic() - written
                self._jumps += step > speed * (age + LOST * CYCLE) + ROUNDING
            if address == GOAL_POSITION:
                written = time.monotonic()

        servo.write = checked  # type: ignore[method-assign]

    def _write_counts(self) -> None:
        while not self._closed.wait(1.0):
            counts = json.dumps({'jumps': self._jumps, 'largest': self._largest})
            replace_file(self._file, counts, synced=False)

    def _spoil(self) -> None:
        chance, injected = self._chance, [0, 0]
        while not self._closed.wait(chance.uniform(0.1, 0.5)):
            for i, bus in enumerate(self._buses[:]):
                if injected[i] > bus.faults.applied:
                    continue  # the last fault lasts
                servo = chance.randint(1, 6)
                count = chance.randint(1, 4)
                kind, late = chance.choice(KINDS), chance.uniform(0.0, 0.03)
                if chance.random() < SERIOUS:
                    kind, count = 'drop', chance.randint(20, 80)
                if kind == 'wrong_id':
                    count = 1  # several could exchange the answers of two servos, which none sees
                bus.faults.inject(kind, chance.choice([None, servo]), count, late)
                injected[i] += count
                # the scripted operator clears faults of the follower only
                if i == 0 and chance.random() < SERIOUS:
                    bus.servos[servo - 1].faults = OVERLOAD
                    self._closed.wait(0.2)
                    bus.servos[servo - 1].faults = 0


class Soak:
    """What is counted while the cell runs."""

    def __init__(self, cell: Cell, counts: Path):
        self.cell = cell
        self.published: dict[str, set[int]] = defaultdict(set)  # indexes by episode
        self.step_bytes = 0
        self.learner = LearnerStatus()
        self.samples: dict[str, list[tuple[float, int, int, int]]] = defaultdict(list)
        self.replay: list[tuple[float, int]] = []  # s, steps
        self._counts = counts
        self.events = 0
        self.ended = threading.Event()
        cell.node.create_subscription(Step, names.STEP, self._on_step, qos.STEPS)
        cell.node.create_subscription(
            LearnerStatus, names.LEARNER_STATUS, self._on_learner, qos.STATUS
        )

    def _on_step(self, step: Step) -> None:
        self.published[step.episode_id].add(step.index)
        self.step_bytes = sum(len(image.data) for image in step.images) + 4 * len(step.state)

    def _on_learner(self, status: LearnerStatus) -> None:
        self.learner = status

    def steps(self) -> int:
        """Return the number of published steps."""
        return sum(map(len, self.published.values()))

    def watch(self) -> None:
        """Sample the processes until `ended`."""
        began = time.monotonic()
        due = began
        while not self.ended.wait(1.0):
            if time.monotonic() < due:
                continue
            due += SAMPLE
            now = time.monotonic() - began
            self.replay.append((now, self.learner.replay_steps))
            for name, process in self.cell.processes.items():
                root = Path('/proc') / str(process.pid)
                try:
                    resident = int((root / 'statm').read_text().split()[1]) * 4096
                    threads, files = (len(os.listdir(root / d)) for d in ('task', 'fd'))
                except OSError:
                    continue  # it ended: `dead` says so
                self.samples[name].append((now, resident, files, threads))

    def counts(self) -> dict[str, float]:
        """Return the jumps of the follower's goals, and the largest step of one, rad."""
        counts: dict[str, float] = json.loads(self._counts.read_text())
        return counts

    def pause_nodes(self) -> None:
        """Stop one node after the other for a moment, until `ended`."""
        chance = random.Random(2)
        while not self.ended.wait(chance.uniform(20.0, 60.0)):
            process = self.cell.processes[chance.choice(PAUSED)]
            process.send_signal(signal.SIGSTOP)
            self.ended.wait(chance.choice([0.1, 0.3, 1.0, 2.0]))
            process.send_signal(signal.SIGCONT)
            self.events += 1

    def lost_steps(self, run: Path) -> int:
        """Return how many published steps no bag of the run has."""
        stored: dict[str, set[int]] = defaultdict(set)
        for bag in open_bags(run / 'bags'):
            for step in bag.steps():
                stored[step.episode_id].add(step.index)
        return sum(len(steps - stored[episode]) for episode, steps in self.published.items())

    def slopes(self) -> dict[str, float]:
        """Return the growth of each process after the warm-up, MB/h."""
        return {name: slope(rows) for name, rows in self.samples.items()}


def slope(rows: list[tuple[float, ...]]) -> float:
    """Return the growth of the second column after the warm-up, MB/h; the first is in s."""
    table = np.array([row[:2] for row in rows])
    table = table[table[:, 0] > WARM_UP * table[-1, 0]]
    return float(np.polyfit(table[:, 0], table[:, 1], 1)[0]) * 3600 / MB


def report(soak: Soak, figures: dict[str, Any]) -> None:
    """Print a table of the processes and one JSON line."""
    table = Table(title=f'{figures["minutes"]:g} minutes{" with faults" * figures["faults"]}')
    for heading in ('process', 'MB at first', 'MB at last', 'MB/h', 'descriptors', 'threads'):
        table.add_column(heading, justify='left' if heading == 'process' else 'right')
    slopes = soak.slopes()
    for name, rows in sorted(soak.samples.items()):
        first = rows[int(WARM_UP * len(rows))]
        last = rows[-1]
        table.add_row(
            name,
            f'{first[1] / MB:.0f}',
            f'{last[1] / MB:.0f}',
            f'{slopes[name]:+.1f}',
            f'{first[2]} to {last[2]}',
            f'{first[3]} to {last[3]}',
        )
    replay = slope([(at, steps * soak.step_bytes) for at, steps in soak.replay])
    table.add_row(
        'replay', '', f'{soak.replay[-1][1] * soak.step_bytes / MB:.0f}', f'{replay:+.1f}'
    )
    Console(width=100).print(table)
    print(f'load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
    print(
        json.dumps(
            figures
            | {
                'mb_per_hour': {name: round(value, 1) for name, value in slopes.items()},
                'replay_mb_per_hour': round(replay, 1),
            }
        )
    )


def minutes_since(began: float) -> float:
    """Return how long ago `began` (monotonic, s) was."""
    return (time.monotonic() - began) / 60.0


def run(options: argparse.Namespace, runs: Path, environment: dict[str, str]) -> int:
    """Run the cell and count; 1 if anything was lost, jumped or ended."""
    counts = runs / 'counts.json'
    environment = environment | {COUNTS: str(counts), FAULTS: 'yes' * options.faults}
    cell = Cell(str(runs), environment, [])
    cell.replace('world', [sys.executable, __file__, AS_WORLD])
    soak, stops, threads = Soak(cell, counts), [], []
    try:
        cell.start()
        cell.wait(cell.is_moving, 'motion in an episode')
        for job in [soak.watch] + [soak.pause_nodes] * options.faults:
            threads.append(threading.Thread(target=job, daemon=True))
            threads[-1].start()
        began = time.monotonic()
        with contextlib.suppress(KeyboardInterrupt):  # the figures until then
            while (left := began + 60.0 * options.minutes - time.monotonic()) > 0.0:
                time.sleep(min(60.0, left))
                stops.append(one_stop(cell, 'running'))
                print(
                    f'{minutes_since(began):5.1f} min: {soak.steps()} steps, {len(stops)} stops, '
                    f'{soak.counts()["jumps"]} jumps, {soak.events} pauses',
                    flush=True,
                )
        minutes = round(minutes_since(began), 1)
        dead = [name for name, process in cell.processes.items() if process.poll() is not None]
    finally:
        soak.ended.set()
        for thread in threads:
            thread.join(10.0)
        cell.close()
    figures = {
        'minutes': minutes,
        'faults': options.faults,
        'steps': soak.steps(),
        'steps_lost': soak.lost_steps(next(iter(runs.glob('*/bags'))).parent),
        'jumps': soak.counts()['jumps'],
        'largest_step_rad': round(soak.counts()['largest'], 4),
        'stops': len(stops),
        'stops_lost': sum(bool(stop['lost'] or stop['moved_after']) for stop in stops),
        'dead': dead,
    }
    report(soak, figures)
    return int(bool(dead or any(figures[k] for k in ('steps_lost', 'jumps', 'stops_lost'))))


def main() -> int:
    """Run, count, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=60.0, help='how long')
    parser.add_argument('--faults', action='store_true', help='inject faults all the time')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as runs, own_domain() as environment:
        return run(options, Path(runs), environment)


if __name__ == '__main__':
    if sys.argv[1:2] == [AS_WORLD]:
        del sys.argv[1]
        run_node(SoakWorld, launcher=os.getppid())
    sys.exit(main())
