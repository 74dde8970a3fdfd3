"""Results of the failure experiments: one JSON line for each, a table and a plot."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from so101_node.data_files import convert, decode

NOISE = 'noise'  # the row of a trained policy that is measured under noise


class Measurement(msgspec.Struct):
    """A success rate and its 95 % interval."""

    success: float
    interval: tuple[float, float]

    def __post_init__(self) -> None:
        _require_success_within(self.interval, self.success)


class Experiment(msgspec.Struct, kw_only=True):
    """One line of the file."""

    row: str
    seed: int
    world: str


class Refused(Experiment):
    """The run was refused before it started; the reason in one sentence."""

    refused: str


class Trained(Experiment):
    """A run. curve: minutes and success of each evaluation."""

    success: float
    interval: tuple[float, float]
    curve: list[tuple[float, float]]

    def __post_init__(self) -> None:
        _require_success_within(self.interval, self.success)


class UnderNoise(Experiment):
    """A trained policy under noise, by sigma."""

    noise: dict[str, Measurement]


def _require_success_within(interval: tuple[float, float], success: float) -> None:
    low, high = interval
    if not 0 <= low <= success <= high <= 1:
        raise ValueError(f'success {success} is not within its interval {low} to {high}')


def read(file: Path) -> list[Experiment]:
    """Read the experiments in a file; CellError names a line that is not an experiment."""
    rows: list[Experiment] = []
    for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), 1):
        problem = f'line {number} of {file} is not an experiment'
        raw = decode(line, dict[str, Any], problem)
        kind: type[Experiment] = Trained
        if 'refused' in raw:
            kind = Refused
        elif raw.get('row') == NOISE:
            kind = UnderNoise
        rows.append(convert(raw, kind, problem))
    return rows


def _in_order(rows: list[Experiment], titles: dict[str, str]) -> list[tuple[str, Experiment]]:
    """(title, experiment), in the order of `titles`."""
    return [
        (text, row)
        for name, text in titles.items()
        for row in sorted((r for r in rows if r.row == name), key=lambda r: r.seed)
    ]


def _under_noise(rows: list[Experiment]) -> list[tuple[float, int, Measurement]]:
    """(sigma, seed, measured), largest sigma first."""
    return sorted(
        (
            (float(sigma), row.seed, measured)
            for row in rows
            if isinstance(row, UnderNoise)
            for sigma, measured in row.noise.items()
        ),
        key=lambda m: (-m[0], m[1]),
    )


def _final(measured: Measurement | Trained) -> str:
    low, high = measured.interval
    return f'{100 * measured.success:.0f} % | {100 * low:.0f} to {100 * high:.0f} %'


def markdown(rows: list[Experiment], titles: dict[str, str]) -> str:
    """Return tables for the documentation. titles: of each row, in the order of the table."""
    lines = [
        '| experiment | seed | success during the run | at the end | 95 % interval |',
        '|---|---|---|---|---|',
    ]
    for text, row in _in_order(rows, titles):
        if isinstance(row, Refused):
            lines.append(f'| {text} | {row.seed} | refused before the start | | |')
        elif isinstance(row, Trained):
            curve = ', '.join(f'{100 * success:.0f}' for _, success in row.curve)
            times = ', '.join(f'{minutes:.0f}' for minutes, _ in row.curve)
            lines.append(f'| {text} | {row.seed} | {curve} % at minute {times} | {_final(row)} |')
    lines += [
        '',
        '| sigma of the noise on a trained policy | seed | success | 95 % interval |',
        '|---|---|---|---|',
    ]
    lines += [
        f'| {sigma:g} | {seed} | {_final(measured)} |'
        for sigma, seed, measured in _under_noise(rows)
    ]
    return '\n'.join(lines)


def draw(rows: list[Experiment], titles: dict[str, str], file: Path) -> None:
    """Draw a PNG: success during and after each experiment, and of a policy with noise."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    experiments, noise = _in_order(rows, titles), _under_noise(rows)
    times = sorted(
        {round(m) for _, row in experiments if isinstance(row, Trained) for m, _ in row.curve}
    )
    figure = Figure(figsize=(8, 3.2 + 0.3 * len(experiments)), dpi=120, layout='constrained')
    grid, dots = figure.subplots(2, 1, height_ratios=(1 + len(experiments), 5))
    shown = np.full((len(experiments), len(times) + 1), np.nan)
    for y, (_, row) in enumerate(experiments):
        if isinstance(row, Trained):
            for minutes, success in row.curve:
                shown[y, times.index(round(minutes))] = success
            shown[y, -1] = row.success
        elif isinstance(row, Refused):
            grid.text(len(times) / 2, y, 'refused', ha='center', va='center', fontsize=8)
    grid.imshow(shown, cmap='RdYlGn', vmin=0.0, vmax=1.0, aspect='auto', alpha=0.8)
    for y, x in np.argwhere(np.isfinite(shown)):
        grid.text(x, y, f'{100 * shown[y, x]:.0f} %', ha='center', va='center', fontsize=8)
    grid.set_yticks(
        range(len(experiments)),
        [f'{text} ({row.seed})' for text, row in experiments],
        fontsize=8,
    )
    grid.set_title('success without help (seed)', fontsize=8)
    grid.set_xticks(range(len(times) + 1), [*(f'minute {m}' for m in times), 'end'], fontsize=8)
    for number, (_, _, measured) in enumerate(noise):
        low, high = measured.interval
        dots.errorbar(
            number,
            measured.success,
            fmt='o',
            color='C0',
            capsize=3,
            yerr=[[max(0.0, measured.success - low)], [max(0.0, high - measured.success)]],
        )
    dots.set_xticks(range(len(noise)), [f'{sigma:g}' for sigma, _, _ in noise])
    dots.set(xlabel='sigma of the noise on a trained policy', ylabel='success', ylim=(-0.05, 1.05))
    dots.yaxis.set_major_formatter(PercentFormatter(1.0))
    dots.grid(alpha=0.3)
    figure.savefig(file)
