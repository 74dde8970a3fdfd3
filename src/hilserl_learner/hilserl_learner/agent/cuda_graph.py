"""One update recorded as a CUDA graph and replayed: a GPU waits for no launch.

A replay reads and writes the memory it was recorded with, so each batch is copied into the first
one's place and figures are copied out. What cannot be recorded is said once and made as usual.
"""

from collections.abc import Callable
from dataclasses import fields

import torch

from ..replay.buffer import Batch

WARM_UP = 3  # updates made as usual before: libraries choose their ways, optimisers begin


class Recorded:
    """Makes `update(batch, sigma, bc, watch)` from a recording, once there is one.

    `record(body)` returns what makes `body` again, and leaves its result where it was.
    """

    def __init__(
        self,
        update: Callable[..., dict[str, torch.Tensor]],
        record: Callable[[Callable], Callable],
        device: torch.device,
        log: Callable[[str], None],
    ):
        self._update, self._record, self._device, self._log = update, record, device, log
        self._unrecorded = WARM_UP  # updates to make as usual
        self._again: Callable[[], torch.Tensor] | None = None
        self._names: list[str] = []

    def __call__(self, batch: Batch, sigma: float, bc: float) -> dict[str, torch.Tensor]:
        """One update; figures are copies, which the next one leaves alone."""
        if self._unrecorded:
            self._unrecorded -= 1
            return self._update(batch.to(self._device), sigma, bc, True)
        if self._again is None:
            # memory of its own: on the CPU `to` alone would be the caller's
            self._batch = _each(torch.clone, batch.to(self._device))
            self._sigma, self._bc = (torch.zeros((), device=self._device) for _ in range(2))
            try:
                self._again = self._record(self._body)
            except RuntimeError as error:
                self._log(
                    f'updates cannot be recorded as a CUDA graph ({error}); they are made '
                    'one operation after the other, which is slower'
                )
                self._unrecorded = 2**62
                return self(batch, sigma, bc)
        _each(lambda ours, theirs: ours.copy_(theirs, non_blocking=True), self._batch, batch)
        self._sigma.fill_(sigma)
        self._bc.fill_(bc)
        values = self._again().clone()
        return dict(zip(self._names, values.unbind()))

    def _body(self) -> torch.Tensor:
        metrics = self._update(self._batch, self._sigma, self._bc, True)
        self._names = list(metrics)
        return torch.stack([value.float() for value in metrics.values()])


def cuda_graph(body: Callable[[], torch.Tensor], generator: torch.Generator) -> Callable:
    """Record `body`, which draws from `generator`, on the GPU; it is not made by that."""
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    # other threads use the GPU meanwhile: the one that draws batches, the one that saves
    with torch.cuda.graph(graph, capture_error_mode='thread_local'):
        result = body()

    def again():
        graph.replay()
        return result

    return again


def _each(function, *batches: Batch) -> Batch:
    def apply(*values):
        if isinstance(values[0], tuple):
            return tuple(map(apply, *values))
        return function(*values)

    return Batch(
        **{f.name: apply(*(getattr(batch, f.name) for batch in batches)) for f in fields(Batch)}
    )
