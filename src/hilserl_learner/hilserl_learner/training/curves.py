"""Writes a run's curves and images: to TensorBoard files, to wandb or trackio, or nowhere.

`open_curves` chooses. A curve's tag and description are those of `curve_tags`.
"""

from importlib import import_module
import os
from pathlib import Path
import time
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.steps import StepRecord

from .curve_tags import EPISODE, IMAGES, LAYOUT, Curve, update_curve
from .episode_summary import EpisodeSummary
from .loggers import NONE, TENSORBOARD, WANDB, require_logger

PROJECT = 'so101-hilserl'
STRIP = 8  # images of an episode
STRIP_PERIOD = 30.0  # s between two strips
MAX_OPEN = 10  # episodes that run at the same time: one for each cell

Image = npt.NDArray[np.uint8]  # (height, width, 3)


class Backend(Protocol):
    """Where curves go."""

    def scalar(self, curve: Curve, value: float, axis: str, at: int) -> None:
        """Add a point. axis: 'steps' or 'updates'."""

    def image(self, tag: str, image: Image, at: int) -> None:
        """Add an image, at a number of steps."""

    def close(self) -> None:
        """Write what is not written yet."""


class NoBackend:
    """Nowhere."""

    def scalar(self, curve: Curve, value: float, axis: str, at: int) -> None:
        """Add nothing."""

    def image(self, tag: str, image: Image, at: int) -> None:
        """Add nothing."""

    def close(self) -> None:
        """Do nothing."""


class TensorBoardBackend:
    """Event files for TensorBoard, with a description of each curve and a layout."""

    def __init__(self, directory: Path):
        from torch.utils.tensorboard import summary
        from torch.utils.tensorboard.writer import FileWriter

        self._files = FileWriter(str(directory))
        self._described: set[str] = set()
        pages = {
            page: {name: ['Multiline', tags] for name, tags in diagrams.items()}
            for page, diagrams in LAYOUT.items()
        }
        make_layout: Any = summary.custom_scalars  # without types
        self._files.add_summary(make_layout(pages))

    def scalar(self, curve: Curve, value: float, axis: str, at: int) -> None:
        """Add a point; the first one of a curve bears its description."""
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata

        point = Summary.Value(tag=curve.tag, simple_value=value)
        if curve.tag not in self._described:
            self._described.add(curve.tag)
            point.metadata.CopyFrom(SummaryMetadata(summary_description=curve.text))
        self._files.add_summary(Summary(value=[point]), at)

    def image(self, tag: str, image: Image, at: int) -> None:
        """Add an image."""
        from torch.utils.tensorboard import summary

        make_image: Any = summary.image  # without types
        self._files.add_summary(make_image(tag, image, dataformats='HWC'), at)

    def close(self) -> None:
        """Complete the file."""
        self._files.close()


class ModuleBackend:
    """wandb, or trackio, which has the same functions.

    wandb stays on this machine (mode offline), unless
    WANDB_MODE says otherwise.
    """

    def __init__(self, name: str, directory: Path, run: str, settings: dict[str, Any]):
        self._module: Any = import_module(name)
        if name == WANDB:
            mode = os.environ.get('WANDB_MODE', 'offline')
            self._module.init(
                project=PROJECT, name=run, config=settings, dir=str(directory), mode=mode
            )
        else:
            self._module.init(project=PROJECT, name=run, config=settings)

    def scalar(self, curve: Curve, value: float, axis: str, at: int) -> None:
        """Add a point with the value of its axis."""
        self._module.log({curve.tag: value, axis: at})

    def image(self, tag: str, image: Image, at: int) -> None:
        """Add an image."""
        self._module.log({tag: self._module.Image(image), 'steps': at})

    def close(self) -> None:
        """Complete the run."""
        self._module.finish()


class Curves:
    """The curves of one run. Call it from one thread."""

    def __init__(self, backend: Backend):
        self._backend = backend
        self._images: dict[str, list[Image]] = {}  # of the running episodes, by id
        self._last: list[Image] = []  # of the last finished one
        self._strip_at = -STRIP_PERIOD

    def updates(self, metrics: dict[str, float], at: int) -> None:
        """Add metrics of the updates. at: their number."""
        for name, value in metrics.items():
            if name not in EPISODE or name == 'human_share':  # of a batch
                self._backend.scalar(update_curve(name), value, 'updates', at)

    def step(self, step: StepRecord) -> None:
        """Note what the policy sees."""
        if step.episode_id not in self._images and len(self._images) >= MAX_OPEN:
            del self._images[next(iter(self._images))]  # its end never came
        images = self._images.setdefault(step.episode_id, [])
        images.append(_one_below_the_other(step.images))
        if step.last:
            self._last = self._images.pop(step.episode_id)

    def episode(self, summary: EpisodeSummary, success: float, at: int) -> None:
        """Add a finished episode. success: of the policy alone, last episodes. at: steps."""
        if summary.counts:
            for name, value in (summary.scalars | {'success_alone_last_20': success}).items():
                self._backend.scalar(EPISODE[name], value, 'steps', at)
        images, now = self._last, time.monotonic()
        if images and now - self._strip_at >= STRIP_PERIOD:
            self._strip_at = now
            chosen = np.unique(np.linspace(0, len(images) - 1, STRIP).round().astype(int))
            strip = np.concatenate([images[i] for i in chosen], axis=1)
            self._backend.image(IMAGES, strip, at)

    def close(self) -> None:
        """Write what is not written yet."""
        self._backend.close()


def _one_below_the_other(images: tuple[Image, ...]) -> Image:
    """Return the images of one step as one image; narrower ones get a black edge."""
    width = max(image.shape[1] for image in images)
    return np.concatenate(
        [np.pad(image, ((0, 0), (0, width - image.shape[1]), (0, 0))) for image in images]
    )


def open_curves(logger: str, directory: Path, run: str, settings: dict[str, Any]) -> Curves:
    """Return the curves of a run. directory: of TensorBoard's files. settings: of the run."""
    require_logger(logger)
    if logger == NONE:
        return Curves(NoBackend())
    if logger == TENSORBOARD:
        return Curves(TensorBoardBackend(directory))
    return Curves(ModuleBackend(logger, directory, run, settings))
