"""How far a frame is from those that a detector was trained on: it may not judge all others.

The distance is Mahalanobis' (Lee et al. 2018, arXiv:1807.03888), over the network's features, the
scaled state, and the mean and spread of each colour: a covered lens and another light are far away
even where the features are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SHRINKAGE = 0.05  # of the correlations towards none: there are few frames
LEAST_SPREAD = (
    0.1  # of the median spread: what hardly varied in the training may vary by this much
)


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What is familiar: mean (D,), whitening matrix (D, D), and the limit of each block (B,).

    sizes: of the blocks, together D: features, state, light. Each block has a distance of its own,
    because a covered lens changes few of the numbers, and much.
    """

    mean: Floats
    whitening: Floats
    sizes: tuple[int, ...]
    limits: Floats

    def distances(self, described: npt.ArrayLike) -> Floats:
        """Return the distances (N, B) of `described` (N, D). 1: as a usual frame."""
        away = (np.asarray(described, np.float64) - self.mean) @ self.whitening
        parts = np.split(away * away, np.cumsum(self.sizes)[:-1], axis=1)
        return np.stack([np.sqrt(part.mean(1)) for part in parts], 1)

    def distance(self, described: npt.ArrayLike) -> Floats:
        """Return the largest distance over its limit, (N,). Over 1: unfamiliar."""
        found: Floats = (self.distances(described) / self.limits).max(1)
        return found


def block_sizes(features: int, states: int, cameras: int) -> tuple[int, ...]:
    """Return the sizes of the blocks of `describe`."""
    return features, states, 6 * cameras


def describe(
    features: npt.ArrayLike,
    state: npt.ArrayLike,
    images: Sequence[npt.NDArray[np.uint8]],
) -> Floats:
    """Return what the distance is measured on, (N, D).

    features: (N, F); state: (N, S), scaled; images: (N, H, W, 3) uint8 of each camera.
    """
    light = [np.concatenate([image.mean((1, 2)), image.std((1, 2))], 1) / 64.0 for image in images]
    return np.concatenate([np.asarray(features), np.asarray(state), *light], 1, dtype=np.float64)


def familiar_with(
    described: Floats, sizes: tuple[int, ...], limits: Floats | None = None
) -> Familiarity:
    """Return the familiarity of frames (N, D), N > 1. limits: (B,); None: 1 for each block."""
    mean, spread = described.mean(0), described.std(0)
    whitening = np.zeros((len(mean), len(mean)))
    ends = np.cumsum(sizes)
    for begin, end in zip(ends - sizes, ends):
        part = slice(begin, end)
        least = max(LEAST_SPREAD * float(np.median(spread[part])), 1e-6)
        scale = np.maximum(spread[part], least)
        scaled = (described[:, part] - mean[part]) / scale
        correlation = scaled.T @ scaled / len(scaled)
        values, vectors = np.linalg.eigh(
            (1.0 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(scale))
        )
        whitening[part, part] = vectors / scale[:, None] / np.sqrt(values)
    return Familiarity(
        mean, whitening, tuple(sizes), np.ones(len(sizes)) if limits is None else limits
    )
