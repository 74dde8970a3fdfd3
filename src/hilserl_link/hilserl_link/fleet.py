"""The cells of one learner side by side: which one differs from the others, and in what.

A wrong calibration, a turned or dark camera and a wrong clock show in the figures of a cell's
episodes, if the other cells do the same task. Each figure of a cell is compared with those of the
others; with fewer than three cells nobody can say which one is wrong. Free of ROS.
"""

from collections import deque
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.steps import StepRecord
from hilserl_core.contract.task import TaskSchema

EPISODES, ENOUGH = 20, 5  # of a cell that count, and that are needed
CELLS = 3  # that are needed
STEPS, MOST_STEPS = 5, 2000  # with fewer, an episode does not count; of longer ones, the first
MOST_CELLS = 256  # that are remembered
SPREADS = 5.0  # how far a figure may be from those of the others
# Less than this times SPREADS does not count, even if the others are equal.
BRIGHTNESS, STATE = 0.03, 0.1  # of the range of a colour; of a state's scale in the schema
AGE, PERIOD, CLOCK = 0.02, 0.01, 0.5  # s

Floats = npt.NDArray[np.float64]
T = TypeVar('T')


class _Seen(NamedTuple):
    """What counts of a step: times in s, the mean of each image from 0 to 1, the state."""

    stamp: float
    ages: list[float]
    brightness: list[float]
    state: npt.NDArray[np.float32]
    arrived: float


class Fleet:
    """What the cells did. One thread uses it."""

    def __init__(self, schema: TaskSchema):
        cameras = [camera.name for camera in schema.cameras]
        self._names = ['time between steps', 'clock of the learner minus that of the cell']
        self._names += [f'age of the images of {name}' for name in cameras]
        self._names += [f'brightness of {name}' for name in cameras]
        self._names += [
            f'{side} {name}' for side in ('lowest', 'highest') for name in schema.state_names
        ]
        states = 2 * [STATE * scale for scale in schema.state_scale]
        floors = [PERIOD, CLOCK, *len(cameras) * [AGE], *len(cameras) * [BRIGHTNESS], *states]
        self._floors = np.array(floors)
        self._open: dict[str, tuple[str, list[_Seen]]] = {}  # the present episode
        self._episodes: dict[str, deque[Floats]] = {}  # the figures of each

    def note(self, cell: str, step: StepRecord, arrived: float) -> None:
        """Note a step of a cell. arrived: s of this host's wall clock."""
        episode, steps = _of(self._open, cell, ('', []))
        if episode != step.episode_id:
            steps = []
        if len(steps) < MOST_STEPS:
            ages = [(step.stamp - stamp) * 1e-9 for stamp in step.image_stamps]
            brightness = [float(image.mean()) / 255.0 for image in step.images]
            steps.append(_Seen(step.stamp * 1e-9, ages, brightness, step.state, arrived))
        self._open[cell] = step.episode_id, steps
        if step.last and len(steps) >= STEPS:
            _of(self._episodes, cell, deque(maxlen=EPISODES)).append(_figures(steps))

    def episodes(self) -> Mapping[str, int]:
        """Return how many episodes of each cell are compared."""
        return {cell: len(found) for cell, found in self._episodes.items()}

    def odd(self, excluded: Collection[str] = ()) -> dict[str, str]:
        """Return what differs most at each cell that differs from the others.

        excluded: cells with which none is compared.
        """
        known = {c: np.array(each) for c, each in self._episodes.items() if len(each) >= ENOUGH}
        middles = {cell: np.median(each, axis=0) for cell, each in known.items()}
        around = {cell: np.abs(each - middles[cell]) for cell, each in known.items()}
        found = {}
        for cell, middle in middles.items():
            others = [name for name in known if name != cell and name not in excluded]
            if len(others) < CELLS - 1:
                continue
            theirs = np.array([middles[name] for name in others])
            within = np.median(np.concatenate([around[name] for name in others]), axis=0)
            spread = np.maximum(np.maximum(1.5 * within, np.ptp(theirs, 0) / 2), self._floors)
            usual = np.median(theirs, axis=0)
            far = np.abs(middle - usual) / spread
            worst = int(far.argmax())
            if far[worst] > SPREADS:
                found[cell] = (
                    f'{self._names[worst]} is {middle[worst]:.3g}, of the other cells '
                    f'{usual[worst]:.3g}'
                )
        return found


def _figures(steps: list[_Seen]) -> Floats:
    """Return the figures of an episode, in the order of Fleet's names."""
    states = np.array([step.state for step in steps], np.float64)
    return np.concatenate(
        [
            [np.median(np.diff([step.stamp for step in steps]))],
            # the least: steps that waited on the arm's disk are late, and no clock is wrong
            [min(step.arrived - step.stamp for step in steps)],
            np.median([step.ages for step in steps], axis=0),
            np.mean([step.brightness for step in steps], axis=0),
            states.min(0),
            states.max(0),
        ]
    )


def _of(known: dict[str, T], cell: str, new: T) -> T:
    """Return what is known of a cell; the oldest of too many is forgotten."""
    while len(known) >= MOST_CELLS and cell not in known:
        del known[next(iter(known))]
    return known.setdefault(cell, new)
