"""The statistics that LeRobot keeps of each feature, of an episode and of a whole dataset."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

QUANTILES = {'q01': 0.01, 'q10': 0.1, 'q50': 0.5, 'q90': 0.9, 'q99': 0.99}
LARGEST = 150  # pixels of a side that are looked at; of larger images, every n-th pixel


def of_numbers(values: npt.NDArray[Any]) -> dict[str, list[float]]:
    """Statistics of values (N, D) without rows that have NaN; empty if no row is left."""
    values = values.astype(np.float64)
    known = values[np.isfinite(values).all(1)]
    if not len(known):
        return {}
    found = {
        'min': known.min(0),
        'max': known.max(0),
        'mean': known.mean(0),
        'std': known.std(0),
        'count': np.array([len(known)]),
        **dict(zip(QUANTILES, np.quantile(known, list(QUANTILES.values()), axis=0))),
    }
    return {name: value.tolist() for name, value in found.items()}


def of_columns(columns: dict[str, npt.NDArray[Any]]) -> dict[str, dict[str, list[float]]]:
    """Statistics of each of these columns (N, D), which have equally many rows."""
    whole = {name: values for name, values in columns.items() if np.isfinite(values).all()}
    # together: a call of NumPy takes as long as the numbers of a short episode
    joined = of_numbers(np.concatenate([*map(_as_float, whole.values())], 1)) if whole else {}
    found, at = {}, 0
    for name, values in columns.items():
        if name in whole:
            part = slice(at, at + values.shape[1])
            found[name] = {
                kind: each if kind == 'count' else each[part] for kind, each in joined.items()
            }
            at = part.stop
        else:
            found[name] = of_numbers(values)
    return found


def _as_float(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return values.astype(np.float64)


class ImageStatistics:
    """Statistics of the colours of images, from how often each of the 256 values occurs."""

    def __init__(self) -> None:
        self.images, self.counts = 0, np.zeros((3, 256), np.int64)

    def add(self, image: npt.NDArray[np.uint8]) -> None:
        """Add an image (height, width, 3) uint8."""
        step = max(1, max(image.shape[:2]) // LARGEST)
        seen = np.ascontiguousarray(image[::step, ::step])
        for channel in range(3):
            counts = cv2.calcHist([seen], [channel], None, [256], [0, 256])
            self.counts[channel] += counts[:, 0].astype(np.int64)
        self.images += 1

    def merge(self, other: 'ImageStatistics') -> None:
        """Add the images of another one."""
        self.images += other.images
        self.counts += other.counts

    def data(self) -> dict[str, Any]:
        """Return the statistics of each channel, of colours from 0 to 1: (3, 1, 1)."""
        values = np.arange(256) / 255.0
        total = self.counts.sum(1)
        mean = self.counts @ values / total
        variance = self.counts @ values**2 / total - mean**2
        seen = self.counts.cumsum(1)
        found = {
            'min': values[(self.counts > 0).argmax(1)],
            'max': values[255 - (self.counts[:, ::-1] > 0).argmax(1)],
            'mean': mean,
            'std': np.sqrt(variance.clip(0.0)),
        } | {name: values[(seen >= q * total[:, None]).argmax(1)] for name, q in QUANTILES.items()}
        return {
            **{name: value.reshape(3, 1, 1).tolist() for name, value in found.items()},
            'count': [self.images],
        }
