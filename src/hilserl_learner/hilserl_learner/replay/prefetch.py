"""The learner's batches, on a GPU each one drawn while the update on the one before it runs.

What is drawn does not depend on when: the same batches come with and without the thread, and the
random state for a checkpoint is the one from before a batch that no update has used yet.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch

from .batch import Batch
from .buffer import Replay


class Batches:
    """Half-and-half batches of one replay. For one thread, which may touch the replay between.

    ahead: whether the next one is drawn beside the update; None: on a GPU. On two cores it gains
    nothing (batch 64 of 64x64 takes 0.3 ms of an update's 30, batch 256 of 84x84 stack 3 some
    20 of 500, for which the update's threads and the thread that draws compete).
    """

    def __init__(
        self,
        replay: Replay,
        rng: np.random.Generator,
        size: int,
        device: torch.device,
        ahead: bool | None = None,
    ):
        self._replay, self._rng, self._size = replay, rng, size
        pinned = device.type == 'cuda'
        self._thread = (
            ThreadPoolExecutor(1, 'loader') if (pinned if ahead is None else ahead) else None
        )
        # two in turns, each with the moment when the update that read it was through
        self._rooms = [
            (replay.room(size, pinned=True), torch.cuda.Event(blocking=True))
            for _ in range(2 * pinned)
        ]
        self._state = rng.bit_generator.state
        self._drawn: Future[tuple[Batch, torch.cuda.Event | None]] | None = None

    @property
    def rng_state(self) -> dict:
        """The random state that goes on with the next update's batch."""
        return self._state if self._drawn else self._rng.bit_generator.state

    @contextmanager
    def next(self) -> Iterator[Batch]:
        """The batch for one update. Within, the replay must be left alone."""
        batch, through = self._drawn.result() if self._drawn else self._draw()
        self._drawn = None
        if self._thread:
            self._state = self._rng.bit_generator.state
            self._drawn = self._thread.submit(self._draw)
        try:
            yield batch
            if through:
                through.record()
        finally:
            if self._drawn:
                self._drawn.exception()  # waits; it is raised when the batch is asked for

    def forget(self) -> None:
        """Drop what was drawn ahead: some of it is no longer to be learned from."""
        if self._drawn:
            self._drawn = None
            self._rng.bit_generator.state = self._state

    def _draw(self) -> tuple[Batch, torch.cuda.Event | None]:
        if not self._rooms:
            return self._replay.sample_half(self._size, self._rng), None
        room, through = self._rooms.pop(0)
        self._rooms.append((room, through))
        through.synchronize()
        return self._replay.sample_half(self._size, self._rng, room), through

    def close(self) -> None:
        """End the thread."""
        if self._thread:
            self._thread.shutdown()
