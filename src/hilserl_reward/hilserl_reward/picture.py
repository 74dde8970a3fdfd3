"""The picture of a detector: recall and false rewards over the threshold, and when it rewards."""

from pathlib import Path

from matplotlib.figure import Figure
import numpy as np

from so101_node.durable import writing

from .episode_report import THRESHOLDS, Floats, Report

RECALL, FALSE = '#1f6fb4', '#d9822b'


def draw(path: Path, report: Report, points: Floats, threshold: float) -> None:
    """Write the picture; the file's ending says its format. CellError if it cannot be written.

    points: (len(THRESHOLDS), 2), as `episode_report.curve` returns them.
    """
    figure = Figure(figsize=(9.0, 3.4), layout='constrained')
    axes, delays = figure.subplots(1, 2, width_ratios=(3, 2))
    scale = np.log(THRESHOLDS / (1.0 - THRESHOLDS))
    axes.plot(scale, points[:, 0], color=RECALL)
    axes.set_ylabel('recall, per episode', color=RECALL)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel('threshold (probability)')
    ticks = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
    axes.set_xticks(np.log(ticks / (1.0 - ticks)), [f'{tick:g}' for tick in ticks])
    axes.axvline(np.log(threshold / (1.0 - threshold)), color='black', linestyle='--')
    right = axes.twinx()
    right.plot(scale, points[:, 1], color=FALSE)
    right.set_ylabel('false rewards in 100 episodes', color=FALSE)
    right.set_ylim(bottom=-0.5, top=max(10.0, float(points[:, 1].max()) * 1.05))
    axes.set_title(f'dashed: the threshold in use, {threshold:.3f}', fontsize=9)
    found = [each.delay for each in report.episodes if each.delay is not None]
    if found:
        delays.hist(found, np.arange(min(found) - 0.5, max(found) + 1.5), color=RECALL)
    delays.set_xlabel('delay after the labelled moment, steps')
    delays.set_ylabel('episodes')
    delays.set_title(
        f'{report.right} right, {report.false} false, '
        f'{report.successes - report.right} missing or early',
        fontsize=9,
    )
    with writing(path):
        figure.savefig(path, dpi=110)
