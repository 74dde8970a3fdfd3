"""Measures the simulated cell: loop period, rates, updates, CPU share of each process."""

import argparse
import json
import os
from pathlib import Path
import tempfile
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.watcher import Watcher
from so101_node import names

TICKS = os.sysconf('SC_CLK_TCK')


def cpu_seconds(parent: int) -> dict[str, tuple[float, float]]:
    """CPU time (s) and resident memory (MB) of each child process, by its program's name."""
    used = {}
    for entry in Path('/proc').iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / 'stat').read_text().rpartition(')')[2].split()
            words = (entry / 'cmdline').read_bytes().decode().split('\0')
        except OSError:
            continue
        if int(fields[1]) == parent:
            name = next(Path(w).name for w in words if '/lib/' in w)
            memory = int(fields[21]) * os.sysconf('SC_PAGE_SIZE') / 1e6
            used[name] = ((int(fields[11]) + int(fields[12])) / TICKS, memory)
    return used


def main():
    """Run, measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=60.0, help='length of the measurement, s')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as runs, own_domain() as environment:
        started = time.monotonic()
        cell = CellProcess(['train', 'start:=scratch', f'runs_dir:={runs}'], environment)
        cell.wait_for('READY -> POLICY', 60)
        first_step = time.monotonic() - started
        while not any('updates' in line and ' 0 updates' not in line for line in cell.lines):
            time.sleep(0.5)
        with Watcher() as messages:
            before, since = cpu_seconds(cell.process.pid), time.monotonic()
            time.sleep(options.seconds)
            after, until = cpu_seconds(cell.process.pid), time.monotonic()
        stop = cell.interrupt()
    periods = np.diff([s.header.stamp.sec + s.header.stamp.nanosec * 1e-9 for s in messages.actor])
    a, b = messages.learner[0], messages.learner[-1]
    result = {
        'first_step_s': round(first_step, 2),
        'stop_s': round(stop, 2),
        'period_ms_p50': round(float(np.median(periods)) * 1e3, 2),
        'period_ms_p99': round(float(np.percentile(periods, 99)) * 1e3, 2),
        'missed_ticks': messages.actor[-1].missed_ticks - messages.actor[0].missed_ticks,
        'observation_age_ms_p99': round(
            float(np.percentile([s.observation_age_ms for s in messages.actor], 99)), 1
        ),
        'follower_hz': round(messages.rate(names.JOINT_STATES.format(arm='follower')), 1),
        'leader_hz': round(messages.rate(names.JOINT_STATES.format(arm='leader')), 1),
        'camera_hz': round(messages.rate(names.IMAGE.format(camera=names.WRIST_CAMERA)), 1),
        'updates_per_s': round((b.updates - a.updates) / (until - since), 2),
        'update_ratio': round(b.update_ratio, 3),
        'dropped_steps': messages.actor[-1].dropped_steps - messages.actor[0].dropped_steps,
    }
    table = Table(title=f'the cell over {until - since:.0f} s')
    for heading in ('process', 'CPU, % of one core', 'memory, MB'):
        table.add_column(heading, justify='left' if heading == 'process' else 'right')
    result['cpu_percent'] = {}
    for name in sorted(after, key=lambda n: before[n][0] - after[n][0]):
        share = 100 * (after[name][0] - before[name][0]) / (until - since)
        result['cpu_percent'][name] = round(share, 1)
        table.add_row(name, f'{share:.1f}', f'{after[name][1]:.0f}')
    Console().print(table)
    print(json.dumps(result))


if __name__ == '__main__':
    main()
