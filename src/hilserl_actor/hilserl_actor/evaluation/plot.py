"""Plots all evaluations of a run: success rate with its interval against steps of the run."""

from pathlib import Path

from hilserl_core.contract.evaluation_report import PICTURE, REPORT, read_report


def plot(directory: Path) -> Path | None:
    """Plot the evaluations in a run's `eval` directory; return the file, or None without any.

    Raises CellError for a damaged report.
    """
    from matplotlib.figure import Figure  # this import takes half a second
    from matplotlib.ticker import PercentFormatter

    reports = [
        data
        for file in sorted(directory.glob(f'*/{REPORT}'))
        if (data := read_report(file.parent))['episodes']
    ]
    if not reports:
        return None
    figure = Figure(figsize=(8, 4.5), dpi=120, layout='constrained')
    axes = figure.add_subplot()
    kinds = sorted({(data['world'], data['seed']) for data in reports})
    for number, (world, seed) in enumerate(kinds):
        series = sorted(
            (d for d in reports if (d['world'], d['seed']) == (world, seed)),
            key=lambda d: d['policy_env_steps'],
        )
        steps = [d['policy_env_steps'] for d in series]
        rate = [d['success_rate'] for d in series]
        axes.errorbar(
            steps,
            rate,
            [
                # Matplotlib refuses a negative length; rounding can cause one.
                [max(0.0, r - d['interval'][0]) for r, d in zip(rate, series)],
                [max(0.0, d['interval'][1] - r) for r, d in zip(rate, series)],
            ],
            fmt='o-',
            color=f'C{number}',
            capsize=3,
            label=f'{world} cell, seed {seed}',
        )
        for data, x, y in zip(series, steps, rate):
            note = f'{data["successes"]}/{data["episodes"]}'
            if not data['complete']:
                note += f' (of {data["wanted"]})'
            axes.annotate(note, (x, y), (4, -11), textcoords='offset points', fontsize=7)
    updates = [d['policy_updates'] for d in reports]
    axes.set(
        xlabel=f'steps of the run ({min(updates):,} to {max(updates):,} updates)',
        ylabel='success, 95 % interval',
        ylim=(-0.03, 1.03),
        title=f'{directory.parent.name}: {reports[0]["task"]}',
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.3)
    axes.legend(loc='lower right')
    figure.savefig(directory / PICTURE)
    return directory / PICTURE
