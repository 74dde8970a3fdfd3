"""Measures the control loop with the learner at full load: loop rate, delays, handovers."""

import argparse
import itertools
import json
import os
import tempfile
import time

import numpy as np
from rich.console import Console
from rich.table import Table
from std_srvs.srv import SetBool

from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.handover import commands_of_steps, measure_handover_jumps, seconds
from hilserl_tests.watcher import Watcher
from so101_node import names

FULL_LOAD = 50  # updates a step, more than the machine can make
CAMERA_HZ = 30
INTERVENTION = 1.0  # s


def measure(rate: float, length: float) -> tuple[Watcher, float]:
    """Run a cell. Return its messages during `length` s, and the load of the machine."""
    with tempfile.TemporaryDirectory() as runs, own_domain() as environment:
        cell = CellProcess(
            [
                'train',
                'start:=scratch',
                f'runs_dir:={runs}',
                f'rate:={rate:g}',
                'screen:=plain',
                f'update_ratio:={FULL_LOAD}',
            ],
            environment,
        )
        try:
            cell.wait_for('READY -> POLICY', 60)
            with Watcher() as messages:
                while not (messages.learner and messages.learner[-1].updates > 20):
                    time.sleep(0.2)
                missed = messages.actor[-1].missed_ticks
                messages.actor.clear()
                messages.steps.clear()
                end_interventions(messages, length)
                load = os.getloadavg()[0]
            messages.missed = messages.actor[-1].missed_ticks - missed
        finally:
            cell.interrupt()
    return messages, load


def end_interventions(messages: Watcher, length: float) -> None:
    """For `length` s, end each intervention after INTERVENTION s.

    Otherwise the scripted operator ends many episodes itself, and there are few releases.
    """
    intervene = messages.node.create_client(SetBool, names.INTERVENE)
    end, human_since = time.monotonic() + length, None
    while (now := time.monotonic()) < end:
        human = messages.actor and messages.actor[-1].mode == 'HUMAN'
        human_since = (human_since or now) if human else None
        if human and now - human_since > INTERVENTION:
            intervene.call_async(SetBool.Request(data=False))
            human_since = now
        time.sleep(0.05)


def distributions(messages: Watcher, rate: float) -> dict[str, np.ndarray]:
    """The measured quantities, each as an array in ms."""
    stamps = np.array([seconds(s.header.stamp) for s in messages.actor])
    periods = np.diff(stamps) * 1e3
    acting = [s for s in messages.actor if s.mode in ('POLICY', 'HUMAN')]
    steps = [s for s in messages.steps if not s.last]
    command_times = {seconds(c.header.stamp) for c in messages.commands}
    times = np.array(sorted(command_times))
    delays = []  # from an action's command to the next observation
    for a, b in zip(messages.steps, messages.steps[1:]):
        if a.episode_id == b.episode_id and b.index == a.index + 1:
            at = int(np.searchsorted(times, seconds(a.header.stamp)))
            if at < len(times):
                delays.append((seconds(b.header.stamp) - times[at]) * 1e3)
    quantities = {
        'period': periods,
        'jitter': np.abs(periods - 1e3 / rate),
        'tick': np.array([s.tick_ms for s in acting]),
        'observation age': np.array([s.observation_age_ms for s in acting]),
        'action to next observation': np.array(delays),
        'observation to observation': np.array(
            [
                (seconds(b.header.stamp) - seconds(a.header.stamp)) * 1e3
                for a, b in itertools.pairwise(steps)
                if a.episode_id == b.episode_id and b.index == a.index + 1
            ]
        ),
    }
    assert all(
        command is not None for command in commands_of_steps(steps, messages.commands)[1:-1]
    ), 'the command of a step was not received'
    return quantities


def main():
    """Run, measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=60.0, help='length of the measurement, s')
    parser.add_argument('--rate', type=float, default=10.0, help='control steps a second')
    options = parser.parse_args()
    messages, load = measure(options.rate, options.seconds)
    quantities = distributions(messages, options.rate)
    table = Table(
        title=f'{options.rate:g} Hz over {options.seconds:g} s, the camera at '
        f'{CAMERA_HZ} Hz ({1e3 / CAMERA_HZ:.0f} ms), load {load:.1f}; ms'
    )
    for heading in ('', 'p1', 'p50', 'p90', 'p99', 'largest'):
        table.add_column(heading, justify='right' if heading else 'left')
    for name, values in quantities.items():
        table.add_row(name, *(f'{np.percentile(values, p):.2f}' for p in (1, 50, 90, 99, 100)))
    Console().print(table)
    take_over, release = measure_handover_jumps(messages)
    first, last = messages.learner[0], messages.learner[-1]
    between = seconds(last.header.stamp) - seconds(first.header.stamp)
    print(
        json.dumps(
            {
                'period_ms_p50': round(float(np.median(quantities['period'])), 2),
                'period_ms_p99': round(float(np.percentile(quantities['period'], 99)), 2),
                'missed': messages.missed,
                'obs_age_ms_p99': round(
                    float(np.percentile(quantities['observation age'], 99)), 1
                ),
                'takeover_jump_deg': round(take_over.deg, 3),
                'release_jump_deg': round(release.deg, 3),
                'takeover_jump_mm': round(take_over.mm, 3),
                'release_jump_mm': round(release.mm, 3),
                'takeovers': take_over.count,
                'releases': release.count,
                'jitter_ms_p99': round(float(np.percentile(quantities['jitter'], 99)), 2),
                'tick_ms_p99': round(float(np.percentile(quantities['tick'], 99)), 2),
                'weights_latency_ms': round(messages.actor[-1].weights_latency_ms, 1),
                'dropped_steps': messages.actor[-1].dropped_steps
                - messages.actor[0].dropped_steps,
                'steps': sum(not s.last for s in messages.steps),
                'updates_per_s': round((last.updates - first.updates) / between, 1),
                'follower_hz': round(messages.rate(names.JOINT_STATES.format(arm='follower')), 1),
                'rate': options.rate,
                'seconds': options.seconds,
                'load': round(load, 1),
            }
        )
    )


if __name__ == '__main__':
    main()
