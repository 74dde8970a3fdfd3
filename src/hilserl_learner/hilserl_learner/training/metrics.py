"""Figures of learning, for TensorBoard, status and diagnostics.

Losses stay on the device until they are looked at, once a second: each look waits for it.
"""

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from so101_node.errors import CellError

from ..replay.batch import Batch
from ..replay.buffer import Replay
from .health import Health, broken_inputs

DETAILED_EVERY = 10  # updates between those with gradient norms and action statistics


class BrokenDown(CellError):
    """Learning has: what it holds is not worth saving."""


class Curves:
    """Averages of the updates since the last look."""

    def __init__(self, directory: Path, health: Health):
        self.metrics: dict[str, float] = {}  # of the last look
        self.health = health
        self._board = SummaryWriter(str(directory))
        self._pending: list[tuple[dict[str, torch.Tensor], Batch]] = []

    def add(self, metrics: dict[str, torch.Tensor], batch: Batch) -> None:
        """Take the figures of an update on this batch."""
        # the batch's memory is used again; without images, copies cost nothing
        self._pending.append(
            (
                metrics,
                Batch(
                    **{
                        f.name: () if 'images' in f.name else getattr(batch, f.name).clone()
                        for f in fields(batch)
                    }
                ),
            )
        )

    def scalar(self, name: str, value: float, step: int) -> None:
        """Draw a point."""
        self._board.add_scalar(name, value, step)

    def look(self, updates: int, replay: Replay, last_good: str) -> None:
        """Average what came since the last look; BrokenDown if it is not finite.

        last_good: what is left to go on from, for that case.
        """
        if not self._pending:
            return
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
            raise BrokenDown(
                f'learning broke down: {", ".join(bad)} not finite after '
                f'{updates - len(batches) + first + 1:,} updates; '
                f'{broken_inputs(batches[first])}; {last_good}'
            )
        # what is measured only now and then stands until it is measured again
        self.metrics |= means | self.health.look(values['critic_loss'], means, batches[-1], replay)
        for name, value in self.metrics.items():
            self.scalar(f'learner/{name}', value, updates)

    def close(self) -> None:
        """Write the last points."""
        self._board.close()
