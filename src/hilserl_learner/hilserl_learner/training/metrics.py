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
    """A metric is not finite. The agent must not be saved."""


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
        values = {
            name: torch.stack([m[name] for m in pending if name in m]).float().cpu().numpy()
            for name in pending[0] | pending[-1]
        }
        means = {name: float(value.mean()) for name, value in values.items()}
        bad = [name for name, value in means.items() if not np.isfinite(value)]
        if bad:
            first = min(
                int(np.argmin(np.isfinite(values[name])))
                for name in bad
                if len(values[name]) == len(batches)
            )
            raise NotFinite(
                f'learning broke down: {", ".join(bad)} not finite after '
                f'{updates - len(batches) + first + 1:,} updates; {broken_inputs(batches[first])}'
            )
        return Collected(means, values['critic_loss'], batches[-1])
