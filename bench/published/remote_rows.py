"""docs/results/remote.json: one row for each condition of the line between arm and learner."""

from pathlib import Path

import msgspec

from so101_node.data_files import read_data
from so101_node.durable import replace_file


class RemoteRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One condition of the line, and what was measured. None: there was no such message."""

    transport: str
    tcp: str  # congestion control of both hosts
    encrypted: bool
    delay_ms: float  # one way
    loss_percent: float
    rate_mbit: float
    cut_s: float
    seconds: float
    steps_sent: int
    steps_lost: int
    step_delay_ms_p50: float | None
    step_delay_ms_p99: float | None
    policy_age_s_p50: float | None
    policy_age_s_p99: float | None
    period_ms_p50: float | None
    period_ms_p99: float | None
    mbit_s: float  # from the arm to the learner
    policy_mbit_s: float  # from the learner to the arm
    load: float  # of the computer that was both hosts


def key_of(row: RemoteRow) -> tuple[object, ...]:
    """Return what distinguishes rows."""
    return row.transport, row.tcp, row.delay_ms, row.loss_percent, row.rate_mbit, row.cut_s


def read(file: Path) -> list[RemoteRow]:
    """Read the rows of a file; [] without a file. CellError if it is damaged."""
    if not file.exists():
        return []
    return read_data(file, list[RemoteRow], 'file of results', 'restore it from git')


def add(file: Path, rows: list[RemoteRow]) -> None:
    """Add rows; they replace earlier ones of the same condition."""
    found = {key_of(row): row for row in (*read(file), *rows)}
    lines = ',\n'.join(msgspec.json.encode(row).decode() for row in found.values())
    replace_file(file, f'[\n{lines}\n]\n')


def markdown(rows: list[RemoteRow]) -> str:
    """Return the table of docs/remote.md."""
    head = (
        '| one way | loss | cut | TCP | steps | lost | step delay p50, p99 (ms) '
        '| policy age p50, p99 (s) | period p50, p99 (ms) | sent, received (Mbit/s) | load |'
    )
    lines = [head, '|---|---|---|---|---|---|---|---|---|---|---|']
    for row in rows:
        lines.append(
            f'| {row.delay_ms:g} ms | {row.loss_percent:g} % | {row.cut_s:g} s | {row.tcp} '
            f'| {row.steps_sent} | {row.steps_lost} '
            f'| {_pair(row.step_delay_ms_p50, row.step_delay_ms_p99, 0)} '
            f'| {_pair(row.policy_age_s_p50, row.policy_age_s_p99, 1)} '
            f'| {_pair(row.period_ms_p50, row.period_ms_p99, 0)} '
            f'| {row.mbit_s:.2f}, {row.policy_mbit_s:.2f} | {row.load:.0f} |'
        )
    return '\n'.join(lines)


def _pair(middle: float | None, high: float | None, digits: int) -> str:
    return ', '.join('-' if each is None else f'{each:.{digits}f}' for each in (middle, high))
