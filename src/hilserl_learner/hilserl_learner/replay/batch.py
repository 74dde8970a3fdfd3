"""A batch of transitions. The replay fills it, and an update reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch


@dataclass(frozen=True)
class Batch:
    """Transitions: images (B, H, W, 3 * stack) uint8 for each camera, the rest (B, ...) float32.

    `reward` is the discounted n-step sum. `discount` multiplies the value of the next
    observation: gamma^k, or 0 if the episode terminated.
    """

    images: tuple[torch.Tensor, ...]
    state: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    discount: torch.Tensor
    next_images: tuple[torch.Tensor, ...]
    next_state: torch.Tensor
    human: torch.Tensor  # bool: a human decided it, and its episode did not fail

    def __len__(self) -> int:
        """Number of transitions."""
        return len(self.action)

    def map(self, function: Callable[..., torch.Tensor], *others: 'Batch') -> 'Batch':
        """A batch of `function(tensor, *tensors of the others)` for each tensor."""
        columns = {f.name: [getattr(b, f.name) for b in (self, *others)] for f in fields(Batch)}
        mapped: dict[str, Any] = {
            name: tuple(map(function, *column))
            if isinstance(column[0], tuple)
            else function(*column)
            for name, column in columns.items()
        }
        return Batch(**mapped)

    def to(self, device: torch.device) -> 'Batch':
        """The batch on another device. A copy from pinned memory does not block."""
        return self.map(lambda value: value.to(device, non_blocking=True))

    def parts(self, size: int) -> Iterator[tuple[slice, 'Batch']]:
        """Yield the transitions in parts of `size`, each with its slice. This copies nothing."""
        for begin in range(0, len(self), size):
            part = slice(begin, begin + size)
            yield part, self.map(lambda value, part=part: value[part])
