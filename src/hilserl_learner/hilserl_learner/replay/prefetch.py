"""The learner's batches; on a GPU each one is drawn while the update on the previous one runs.

The same batches come with and without the thread. The random state for a checkpoint is the one
from before a batch that no update has used yet.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from .batch import Batch
from .buffer import Replay


class Batches:
    """Half-and-half batches of one replay. One thread calls the methods and changes the replay.

    ahead: whether a thread draws the next batch during the update; None: on a GPU only. On two
    cores it gains nothing: a batch of 64 (64x64) takes 0.3 ms of an update's 30, a batch of 256
    (84x84, stack 3) some 20 of 500, and the thread takes its core from the update.
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
        # two, used in turn, each with an event that marks the end of the update that read it
        self._rooms = [
            (replay.room(size, pinned=True), torch.cuda.Event(blocking=True))
            for _ in range(2 * pinned)
        ]
        self._state = rng.bit_generator.state
        self._drawn: Future[tuple[Batch, torch.cuda.Event | None]] | None = None

    @property
    def rng_state(self) -> Mapping[str, Any]:
        """The random state that goes on with the next update's batch."""
        return self._state if self._drawn else self._rng.bit_generator.state

    @rng_state.setter
    def rng_state(self, state: dict) -> None:
        self._drawn = None
        self._rng.bit_generator.state = state

    @contextmanager
    def next(self) -> Iterator[Batch]:
        """The batch for one update. Do not change the replay inside the `with` block."""
        batch, done = self._drawn.result() if self._drawn else self._draw()
        self._drawn = None
        if self._thread:
            self._state = self._rng.bit_generator.state
            self._drawn = self._thread.submit(self._draw)
        try:
            yield batch
            if done:
                done.record()
        finally:
            if self._drawn:
                self._drawn.exception()  # waits; `next` raises it

    def forget(self) -> None:
        """Drop the batch drawn ahead, because the replay changed: it will be drawn again."""
        if self._drawn:
            self._drawn = None
            self._rng.bit_generator.state = self._state

    def _draw(self) -> tuple[Batch, torch.cuda.Event | None]:
        if not self._rooms:
            return self._replay.sample_half(self._size, self._rng), None
        room, done = self._rooms.pop(0)
        self._rooms.append((room, done))
        done.synchronize()
        return self._replay.sample_half(self._size, self._rng, room), done

    def close(self) -> None:
        """End the thread."""
        if self._thread:
            self._thread.shutdown()
