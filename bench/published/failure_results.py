"""Results of the failure experiments: one JSON line for each, a table and a plot.

A line has `row`, `seed` and `world`, and either `refused` (a sentence), or `success`, `interval`,
`episodes` and `curve` ([[minutes, success], ...]), or, for the row 'noise', `noise`:
{sigma: {success, interval}}.
"""

import json
from pathlib import Path

import numpy as np

from so101_node.errors import CellError

NOISE = 'noise'


def read(file: Path) -> list[dict]:
    """Read the experiments in a file; CellError names a line that is not an experiment."""
    rows = []
    for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), 1):
        try:
            row = json.loads(line)
            if 'refused' not in row:
                for measured in _measured(row).values():
                    low, high = measured['interval']
                    if not 0 <= low <= measured['success'] <= high <= 1:
                        raise ValueError(f'a success of {measured["success"]} in {low} to {high}')
            rows.append({'row': row['row'], 'seed': int(row['seed']), **row})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CellError(f'line {number} of {file} is not an experiment: {error}') from error
    return rows


def _measured(row: dict) -> dict[str, dict]:
    return row['noise'] if row['row'] == NOISE else {'': row}


def _in_order(rows: list[dict], titles: dict[str, str]) -> list[tuple[str, dict]]:
    """(title, experiment), in the order of `titles`."""
    return [
        (text, row)
        for name, text in titles.items()
        for row in sorted((r for r in rows if r['row'] == name), key=lambda r: r['seed'])
    ]


def _under_noise(rows: list[dict]) -> list[tuple[float, int, dict]]:
    """(sigma, seed, measured), largest sigma first."""
    return sorted(
        (
            (float(sigma), row['seed'], measured)
            for row in rows
            if row['row'] == NOISE
            for sigma, measured in row['noise'].items()
        ),
        key=lambda m: (-m[0], m[1]),
    )


def _final(measured: dict) -> str:
    low, high = measured['interval']
    return f'{100 * measured["success"]:.0f} % | {100 * low:.0f} to {100 * high:.0f} %'


def markdown(rows: list[dict], titles: dict[str, str]) -> str:
    """Return tables for the documentation. titles: of each row, in the order of the table."""
    lines = [
        '| what was done | seed | success on the way | at the end | 95 % interval |',
        '|---|---|---|---|---|',
    ]
    for text, row in _in_order(rows, titles):
        if 'refused' in row:
            lines.append(f'| {text} | {row["seed"]} | refused before the start | | |')
            continue
        curve = ', '.join(f'{100 * success:.0f}' for _, success in row['curve'])
        times = ', '.join(f'{minutes:.0f}' for minutes, _ in row['curve'])
        lines.append(f'| {text} | {row["seed"]} | {curve} % at minute {times} | {_final(row)} |')
    lines += [
        '',
        '| a trained policy under sigma | seed | success | 95 % interval |',
        '|---|---|---|---|',
    ]
    lines += [
        f'| {sigma:g} | {seed} | {_final(measured)} |'
        for sigma, seed, measured in _under_noise(rows)
    ]
    return '\n'.join(lines)


def draw(rows: list[dict], titles: dict[str, str], file: Path) -> None:
    """Draw a PNG: success during and after each experiment, and of a policy with noise."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    experiments, noise = _in_order(rows, titles), _under_noise(rows)
    times = sorted({round(m) for _, row in experiments for m, _ in row.get('curve', ())})
    figure = Figure(figsize=(8, 3.2 + 0.3 * len(experiments)), dpi=120, layout='constrained')
    grid, dots = figure.subplots(2, 1, height_ratios=(1 + len(experiments), 5))
    shown = np.full((len(experiments), len(times) + 1), np.nan)
    for y, (_, row) in enumerate(experiments):
        for minutes, success in row.get('curve', ()):
            shown[y, times.index(round(minutes))] = success
        shown[y, -1] = row.get('success', np.nan)
        if 'refused' in row:
            grid.text(len(times) / 2, y, 'refused', ha='center', va='center', fontsize=8)
    grid.imshow(shown, cmap='RdYlGn', vmin=0.0, vmax=1.0, aspect='auto', alpha=0.8)
    for y, x in np.argwhere(np.isfinite(shown)):
        grid.text(x, y, f'{100 * shown[y, x]:.0f} %', ha='center', va='center', fontsize=8)
    grid.set_yticks(
        range(len(experiments)),
        [f'{text} ({row["seed"]})' for text, row in experiments],
        fontsize=8,
    )
    grid.set_title('success without help (seed)', fontsize=8)
    grid.set_xticks(range(len(times) + 1), [*(f'minute {m}' for m in times), 'end'], fontsize=8)
    for number, (_, _, measured) in enumerate(noise):
        low, high = measured['interval']
        dots.errorbar(
            number,
            measured['success'],
            fmt='o',
            color='C0',
            capsize=3,
            yerr=[[max(0.0, measured['success'] - low)], [max(0.0, high - measured['success'])]],
        )
    dots.set_xticks(range(len(noise)), [f'{sigma:g}' for sigma, _, _ in noise])
    dots.set(xlabel='sigma of the noise on a trained policy', ylabel='success', ylim=(-0.05, 1.05))
    dots.yaxis.set_major_formatter(PercentFormatter(1.0))
    dots.grid(alpha=0.3)
    figure.savefig(file)
