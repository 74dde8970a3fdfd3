"""Metrics of the updates, averaged for TensorBoard, status and diagnostics.

Losses stay on the device until they are collected, about once a second: each collection waits for
the device.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from so101_node.errors import CellError

from ..replay.batch import Batch
from .health import broken_inputs

DETAILED_EVERY = 10  # every so many updates have gradient norms and action statistics


class NotFinite(CellError):
    """A metric or a weight is not finite. The agent must not be published or saved."""


@dataclass(frozen=True)
class Collected:
    """The updates since the last collection: means by name, each critic loss, the last batch.

    The batch has no images.
    """

    means: dict[str, float]
    critic_losses: npt.NDArray[np.float32]
    last_batch: Batch


class UpdateMetrics:
    """Keeps the metrics of each update until they are collected."""

    def __init__(self) -> None:
        self._pending: list[tuple[dict[str, torch.Tensor], Batch]] = []

    def add(self, metrics: dict[str, torch.Tensor], batch: Batch) -> None:
        """Add the metrics of an update on this batch."""
        # copies, because the batch's memory is used again; without images they cost nothing
        kept: dict[str, Any] = {
            f.name: () if 'images' in f.name else getattr(batch, f.name).clone()
            for f in fields(batch)
        }
        self._pending.append(
            (
                metrics,
                Batch(**kept),
            )
        )

    def collect(self, updates: int) -> Collected | None:
        """Average the metrics since the last call; None if there are none.

        updates: the number of updates so far. `NotFinite` if a metric is not finite.
        """
        if not self._pending:
            return None
        pending, batches = zip(*self._pending)
        self._pending = []
        having: dict[str, list[int]] = {}  # the updates that have each metric
        for number, found in enumerate(pending):
            for name in found:
                having.setdefault(name, []).append(number)
        values = {
            name: torch.stack([pending[n][name] for n in numbers]).float().cpu().numpy()
            for name, numbers in having.items()
        }
        means = {name: float(value.mean()) for name, value in values.items()}
        bad = [name for name, value in means.items() if not np.isfinite(value)]
        if bad:
            first = min(having[name][int(np.argmin(np.isfinite(values[name])))] for name in bad)
            raise NotFinite(
                f'learning broke down: {", ".join(bad)} not finite after '
                f'{updates - len(batches) + first + 1:,} updates; {broken_inputs(batches[first])}'
            )
        losses = values.get('critic_loss', np.zeros(0, np.float32))
        return Collected(means, losses, batches[-1])
