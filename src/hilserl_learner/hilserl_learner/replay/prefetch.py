"""Samples the learner's batches. On a GPU, each batch is sampled during the previous update.

The batches are the same with and without the thread. The random state in a checkpoint is the state
before a batch that no update has used yet.
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
    """Batches of one replay, half of them prior data. The thread that uses it changes the replay.

    ahead: whether a thread samples the next batch during the update; None: on a GPU only. It
    gains nothing on two cores, because the thread takes its core from the update. A batch of 64
    (64x64) takes 0.3 ms of an update's 30 ms, a batch of 256 (84x84, stack 3) about 20 of 500 ms.
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
        # two batches, used in turn, each with an event at the end of the update that reads it
        self._buffers = [
            (replay.allocate(size, pinned=True), _blocking_event()) for _ in range(2 * pinned)
        ]
        self._state = rng.bit_generator.state
        self._next_batch: Future[tuple[Batch, torch.cuda.Event | None]] | None = None

    @property
    def rng_state(self) -> Mapping[str, Any]:
        """The random state before the next update's batch."""
        return self._state if self._next_batch else self._rng.bit_generator.state

    @rng_state.setter
    def rng_state(self, state: dict[str, Any]) -> None:
        self._next_batch = None
        self._rng.bit_generator.state = state

    @contextmanager
    def next(self) -> Iterator[Batch]:
        """The batch for one update. Do not change the replay inside the `with` block."""
        batch, done = self._next_batch.result() if self._next_batch else self._sample()
        self._next_batch = None
        if self._thread:
            self._state = self._rng.bit_generator.state
            self._next_batch = self._thread.submit(self._sample)
        try:
            yield batch
            if done:
                done.record()
        finally:
            if self._next_batch:
                self._next_batch.exception()  # waits; `next` raises it

    def discard_ahead(self) -> None:
        """Discard the batch that was sampled ahead, because the replay changed."""
        if self._next_batch:
            self._next_batch = None
            self._rng.bit_generator.state = self._state

    def _sample(self) -> tuple[Batch, torch.cuda.Event | None]:
        if not self._buffers:
            return self._replay.sample_half(self._size, self._rng), None
        buffer, done = self._buffers.pop(0)
        self._buffers.append((buffer, done))
        done.synchronize()
        return self._replay.sample_half(self._size, self._rng, buffer), done

    def close(self) -> None:
        """End the thread."""
        if self._thread:
            self._thread.shutdown()


def _blocking_event() -> torch.cuda.Event:
    # PyTorch gives the constructor no types.
    return torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
