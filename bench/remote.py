"""Measures arm and learner on two hosts: delay, loss, rate and cuts of the line between them.

Two network namespaces of this computer, a line that is made packet by packet
(hilserl_tests/slow_network.py), `./cell learn` on one side and `./cell act` on the other, with
keys. It needs root; without it, it says what is missing. The simulated cell and the learner share
this computer, so period figures depend on its load, which each row states.
"""

import argparse
from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from hilserl_core.bags.episode_bag import open_bags
from hilserl_link.keys import make_keys
from hilserl_tests import cell_observer
from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.slow_network import (
    ADDRESSES,
    ARM,
    LEARNER,
    TCP,
    Line,
    SlowNetwork,
    refusal,
    slow_network,
)
from published import remote_rows
from published.remote_rows import RemoteRow
from so101_node.errors import CellError

RATE = 10.0  # Mbit/s
BEFORE, AFTER = 3.0, 10.0  # s around a cut
SETTLE = 4.0  # s after a change of the line, before a row begins
CELL = (sys.executable, '-m', 'so101_node.verb')
TRANSPORT = 'websocket-tls'


@dataclass(frozen=True)
class Condition:
    """One row. delay: ms, one way; loss: %; rate: Mbit/s; cut: s."""

    delay: float
    loss: float = 0.0
    rate: float = RATE
    cut: float = 0.0

    def line(self, cut: bool = False) -> Line:
        """Return the line."""
        return Line(self.delay / 1e3, self.loss / 100, self.rate * 1e6, cut)


CONDITIONS = (
    Condition(0.0, rate=1000.0),
    *(Condition(delay, loss) for loss in (0.0, 1.0, 5.0) for delay in (5.0, 50.0, 150.0)),
    Condition(50.0, cut=5.0),
    Condition(50.0, cut=60.0),
)
SHORT = (Condition(5.0), Condition(50.0, 1.0), Condition(150.0, 5.0), Condition(50.0, cut=5.0))


@dataclass(frozen=True)
class Span:
    """When a condition was measured (s, monotonic), and the bytes that each side sent."""

    condition: Condition
    began: float
    ended: float
    sent: dict[str, int]
    load: float


@contextlib.contextmanager
def observing(network: SlowNetwork, side: str, file: Path, environment: dict) -> Iterator[None]:
    """Note the messages on one side in a file."""
    words = [sys.executable, '-m', 'hilserl_tests.cell_observer', str(file)]
    process = subprocess.Popen(network.within(side, words), env=environment, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.stdin.close()
        process.wait(10.0)


def measure(network: SlowNetwork, condition: Condition, seconds: float, arm: Path) -> Span:
    """Set the line and wait for the length of a row."""
    network.set(condition.line())
    time.sleep(SETTLE)
    before, began = network.set(condition.line()), time.monotonic()
    if condition.cut:
        time.sleep(BEFORE)
        network.set(condition.line(cut=True))
        time.sleep(condition.cut)
        network.set(condition.line())
        time.sleep(AFTER)
        end = time.monotonic() + 120.0
        while waiting(arm) > 30 and time.monotonic() < end:
            time.sleep(0.5)
    else:
        time.sleep(seconds)
    ended, after = time.monotonic(), network.set(condition.line())
    sent = {side: after[side] - before[side] for side in after}
    return Span(condition, began, ended, sent, os.getloadavg()[0])


def waiting(arm: Path) -> int:
    """Return how many steps waited at the last status."""
    *_, last = cell_observer.read(arm, cell_observer.LINK)
    return int(last[2])


def row(span: Span, arm: Path, learner: Path, recorded: set, tcp: str) -> RemoteRow:
    """Return the figures of one condition."""
    within = [
        (at, (episode, index))
        for at, episode, index in cell_observer.read(arm, cell_observer.STEP)
        if span.began <= at < span.ended
    ]
    arrived = {}
    for at, episode, index in cell_observer.read(learner, cell_observer.STEP):
        arrived.setdefault((episode, index), at)
    delays = [1e3 * (arrived[step] - at) for at, step in within if step in arrived]
    ticks = [
        stamp
        for at, stamp in cell_observer.read(arm, cell_observer.TICK)
        if span.began <= at < span.ended
    ]
    ages = [
        age
        for at, age, _, _ in cell_observer.read(arm, cell_observer.LINK)
        if span.began <= at < span.ended
    ]
    seconds = span.ended - span.began
    condition = span.condition
    return RemoteRow(
        transport=TRANSPORT,
        delay_ms=condition.delay,
        loss_percent=condition.loss,
        rate_mbit=condition.rate,
        cut_s=condition.cut,
        steps_sent=len(within),
        steps_lost=sum(step not in recorded for _, step in within),
        step_delay_ms_p50=percentile(delays, 50),
        step_delay_ms_p99=percentile(delays, 99),
        policy_age_s_p50=percentile(ages, 50),
        policy_age_s_p99=percentile(ages, 99),
        period_ms_p50=percentile(1e3 * np.diff(ticks), 50),
        period_ms_p99=percentile(1e3 * np.diff(ticks), 99),
        mbit_s=round(8e-6 * span.sent[ARM] / seconds, 3),
        policy_mbit_s=round(8e-6 * span.sent[LEARNER] / seconds, 3),
        encrypted=True,
        tcp=tcp,
        seconds=round(seconds, 1),
        load=round(span.load, 1),
    )


def percentile(values, share: float):
    """Return a percentile, rounded; None without values."""
    return round(float(np.percentile(values, share)), 2) if len(values) else None


def run(
    conditions: tuple[Condition, ...], seconds: float, directory: Path, tcp: str
) -> list[RemoteRow]:
    """Start both sides and measure every condition. tcp: congestion control; '': this host's."""
    keys = directory / 'link-keys'
    make_keys(keys, ['arm'])
    arm, learner = directory / 'arm.jsonl', directory / 'learner.jsonl'
    address, recorded = ADDRESSES[LEARNER], set()
    with slow_network(tcp=tcp) as network, own_domain() as here, own_domain() as there:
        learning = CellProcess(
            ['learn', 'run:=remote', f'listen:={address}', f'link_keys:={keys / "learner"}']
            + [f'runs_dir:={directory / "there"}'],
            there,
            program=network.within(LEARNER, CELL),
        )
        learning.wait_for('new run remote', 120)
        acting = CellProcess(
            ['act', f'learner:={address}', 'run:=remote', f'link_keys:={keys / "arm"}']
            + ['console:=false', 'operator.status_period:=600', f'runs_dir:={directory / "here"}'],
            here,
            program=network.within(ARM, CELL),
        )
        acting.wait_for('READY -> POLICY', 300)
        with (
            observing(network, ARM, arm, here),
            observing(network, LEARNER, learner, there),
        ):
            time.sleep(40.0)  # the first policies: the learner makes its first update
            spans = [measure(network, each, seconds, arm) for each in conditions]
            network.set(Line())
            time.sleep(3.0)
            acting.process.send_signal(2)
            acting.wait(90.0)
        learning.interrupt()
    for bag in open_bags(directory / 'there' / 'remote' / 'bags'):
        recorded |= {(step.episode_id, step.index) for step in bag.steps()}
    used = tcp or TCP.read_text(encoding='ascii').strip()
    return [row(span, arm, learner, recorded, used) for span in spans]


def show(rows: list[RemoteRow]) -> None:
    """Print a table."""
    table = Table('delay', 'loss', 'cut', 'steps', 'lost', 'step delay p50', 'p99')
    for name in ('policy age p99', 'period p99', 'sent', 'received', 'load'):
        table.add_column(name)
    for each in rows:
        table.add_row(
            f'{each.delay_ms:g} ms',
            f'{each.loss_percent:g} %',
            f'{each.cut_s:g} s',
            str(each.steps_sent),
            str(each.steps_lost),
            f'{each.step_delay_ms_p50} ms',
            f'{each.step_delay_ms_p99} ms',
            f'{each.policy_age_s_p99} s',
            f'{each.period_ms_p99} ms',
            f'{each.mbit_s} Mbit/s',
            f'{each.policy_mbit_s} Mbit/s',
            f'{each.load}',
        )
    Console(width=140).print(table)


def main() -> None:
    """Measure, print a table, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=20.0, help='length of a row, s')
    parser.add_argument('--short', action='store_true', help='four rows only')
    parser.add_argument(
        '--tcp', default='', help='congestion control, as reno; else that of this host'
    )
    parser.add_argument('--out', type=Path, help='JSON file of rows: new ones replace older ones')
    options = parser.parse_args()
    if why := refusal():
        raise SystemExit(f'bench remote: {why}')
    with tempfile.TemporaryDirectory() as directory:
        try:
            conditions = SHORT if options.short else CONDITIONS
            rows = run(conditions, options.seconds, Path(directory), options.tcp)
        except CellError as error:
            raise SystemExit(f'bench remote: {error}') from None
    show(rows)
    if options.out:
        remote_rows.add(options.out, rows)


if __name__ == '__main__':
    main()
