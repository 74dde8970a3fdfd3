"""The figures of a run's report, each an SVG or PNG inside the page."""

import base64
from collections.abc import Sequence
import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
import numpy as np
import numpy.typing as npt

from hilserl_core.contract.success_interval import wilson

from ..training.curve_tags import update_curve
from .run_record import RunRecord, Strip

WINDOW = 20  # episodes in a moving average
POLICY, HUMAN, MEASURED = '#1f6fb4', '#d9822b', '#1a1a1a'


def success(run: RunRecord) -> str:
    """Success of the policy alone over robot minutes: in training, and in evaluations."""
    figure, axes = _axes('robot time, minutes', 'success')
    minutes = np.array([row.minutes for row in run.episodes])
    alone = _moving_average([row.alone for row in run.episodes])
    if len(minutes):
        counts = np.minimum(np.arange(len(minutes)) + 1, WINDOW)
        low, high = wilson(alone * counts, counts)
        axes.fill_between(minutes, low, high, color=POLICY, alpha=0.15, linewidth=0)
        axes.plot(
            minutes, alone, color=POLICY, label=f'without help in training, last {WINDOW} episodes'
        )
    if run.evaluations:
        at = [run.minutes_of(e['policy_env_steps']) for e in run.evaluations]
        rate = np.array([e['success_rate'] for e in run.evaluations])
        edges = np.abs(np.array([e['interval'] for e in run.evaluations]).T - rate)
        axes.errorbar(
            at,
            rate,
            edges,
            fmt='o',
            color=MEASURED,
            capsize=3,
            label='evaluation: deterministic, leader ignored',
        )
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return svg(figure)


def intervention(run: RunRecord) -> str:
    """Human share of steps, and sigma, over robot minutes."""
    figure, axes = _axes('robot time, minutes', 'human share of steps')
    minutes = [row.minutes for row in run.episodes]
    human, steps = (
        _moving_average([getattr(row, name) for row in run.episodes])
        for name in ('human_steps', 'steps')
    )
    axes.plot(minutes, human / np.maximum(steps, 1e-9), color=HUMAN)
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    right = axes.twinx()
    right.plot(minutes, [row.sigma for row in run.episodes], color='grey', linewidth=1)
    right.set_ylabel('sigma', color='grey')
    right.set_ylim(bottom=0.0)
    return svg(figure)


def values(run: RunRecord) -> str:
    """Q, and the highest possible return."""
    figure, axes = _axes('updates', 'Q')
    for name, colour, style in (
        ('q_mean', POLICY, '-'),
        ('q_max', POLICY, ':'),
        ('target_mean', HUMAN, '-'),
        ('q_bound', MEASURED, '--'),
    ):
        _curve(axes, run, name, color=colour, linestyle=style)
    return svg(figure)


def losses(run: RunRecord) -> str:
    """Losses of critic and actor."""
    figure, axes = _axes('updates', 'critic loss')
    _curve(axes, run, 'critic_loss', color=POLICY, label=None)
    axes.set_yscale('log')
    right = axes.twinx()
    _curve(right, run, 'actor_loss', color=HUMAN, label=None)
    right.set_ylabel('actor loss', color=HUMAN)
    return svg(figure)


def actions(run: RunRecord) -> str:
    """Histograms of each action component, for policy and human."""
    names = run.schema.action_names
    figure = Figure(figsize=(7, 2.2), layout='constrained')
    for number, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), number + 1)
        for source, colour in (('policy', POLICY), ('human', HUMAN)):
            if source in run.actions:
                axes.hist(
                    run.actions[source][:, number],
                    21,
                    range=(-1, 1),
                    density=True,
                    alpha=0.5,
                    color=colour,
                    label=source if number == 0 else None,
                )
        axes.set_title(name, fontsize=9)
        axes.set_yticks([])
    return svg(figure)


def strip(shown: Strip) -> str:
    """Images side by side, as a PNG in a data URL."""
    import cv2

    row = np.concatenate(
        [np.pad(image, ((0, 0), (0, 2), (0, 0)), constant_values=255) for image in shown.images],
        axis=1,
    )
    _, data = cv2.imencode('.png', row[:, :, ::-1])
    return 'data:image/png;base64,' + base64.b64encode(data.tobytes()).decode()


def svg(figure: Figure) -> str:
    """A figure as SVG text for an HTML page."""
    for axes in figure.axes:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, loc='best')
    text = io.StringIO()
    figure.savefig(text, format='svg', metadata={'Date': None})
    return text.getvalue()[text.getvalue().index('<svg') :]


def _axes(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 3), layout='constrained')
    axes = figure.add_subplot()
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    return figure, axes


def _curve(axes: Axes, run: RunRecord, name: str, **style: Any) -> None:
    points = run.curves.get(update_curve(name).tag)
    if points is not None:
        axes.plot(points[:, 0], points[:, 1], **dict[str, Any](linewidth=1, label=name) | style)


def _moving_average(numbers: Sequence[float]) -> npt.NDArray[np.float64]:
    """Means over the last WINDOW numbers, over fewer at the beginning."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(numbers, float))])
    end = np.arange(1, len(sums))
    begin = np.maximum(end - WINDOW, 0)
    means: npt.NDArray[np.float64] = (sums[end] - sums[begin]) / np.maximum(end - begin, 1)
    return means
