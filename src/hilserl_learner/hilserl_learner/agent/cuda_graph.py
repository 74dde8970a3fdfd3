"""Captures one update as a CUDA graph and replays it: no launch overhead per operation.

A replay reads and writes the memory of the capture, so each batch is copied into the captured
batch and metrics are copied out. If graph capture fails, log it once and run eagerly.
"""

from collections.abc import Callable

import torch

from ..replay.batch import Batch

Scalar = float | torch.Tensor  # a tensor in a graph, which reads its value at each replay
Body = Callable[[], torch.Tensor]

EAGER_UPDATES = 3  # before the capture: libraries select kernels, optimisers create their state


class GraphedUpdate:
    """Runs an update as a captured graph, after a few eager updates.

    The update is `update(batch, sigma, bc, detailed, critic_only, q_weight)`.

    `capture(body)` returns a function that replays `body` and returns its result, always in the
    same memory.
    """

    def __init__(
        self,
        update: Callable[[Batch, Scalar, Scalar, bool, bool, Scalar], dict[str, torch.Tensor]],
        capture: Callable[[Body], Body],
        device: torch.device,
        log: Callable[[str], object],
    ):
        self._update, self._capture, self._device, self._log = update, capture, device, log
        self._eager_left = EAGER_UPDATES
        self._replay: Body | None = None
        self._names: list[str] = []

    def __call__(
        self, batch: Batch, sigma: float, bc: float, q_weight: float = 1.0
    ) -> dict[str, torch.Tensor]:
        """One update; the metrics are copies, which the next update does not overwrite."""
        if self._eager_left:
            self._eager_left -= 1
            return self._update(batch.to(self._device), sigma, bc, True, False, q_weight)
        if self._replay is None:
            # clone: on the CPU `to` alone would return the caller's memory
            self._batch = batch.to(self._device).map(torch.clone)
            self._sigma, self._bc, self._q_weight = (
                torch.zeros((), device=self._device) for _ in range(3)
            )
            try:
                self._replay = self._capture(self._body)
            except RuntimeError as error:
                self._log(
                    f'updates cannot be captured as a CUDA graph ({error}); they run eagerly, '
                    'which is slower'
                )
                self._eager_left = 2**62
                return self(batch, sigma, bc, q_weight)
        self._batch.map(lambda ours, theirs: ours.copy_(theirs, non_blocking=True), batch)
        self._sigma.fill_(sigma)
        self._bc.fill_(bc)
        self._q_weight.fill_(q_weight)
        values = self._replay().clone()
        return dict(zip(self._names, values.unbind()))

    def _body(self) -> torch.Tensor:
        metrics = self._update(self._batch, self._sigma, self._bc, True, False, self._q_weight)
        self._names = list(metrics)
        return torch.stack([value.float() for value in metrics.values()])


def cuda_graph(body: Body, generator: torch.Generator) -> Body:
    """Capture `body`, which draws from `generator`, on the GPU; capturing does not execute it."""
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    # thread_local: the prefetch and checkpoint threads use the GPU during the capture
    with torch.cuda.graph(graph, capture_error_mode='thread_local'):
        result = body()

    def replay() -> torch.Tensor:
        graph.replay()
        return result

    return replay
