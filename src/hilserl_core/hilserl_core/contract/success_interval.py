"""The 95 % score interval of a success rate (Wilson 1927), for counts and for arrays of counts."""

from typing import Any, overload

import numpy as np
import numpy.typing as npt

Z = 1.96  # two-sided 95 % of the normal distribution


@overload
def wilson(successes: float, trials: float) -> tuple[float, float]: ...


@overload
def wilson(
    successes: npt.NDArray[Any], trials: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]: ...


def wilson(
    successes: npt.ArrayLike, trials: npt.ArrayLike
) -> tuple[float, float] | tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (low, high) of a proportion. The interval always contains successes / trials.

    successes, trials: numbers, or arrays of the same shape. Without trials the interval is (0, 1).
    """
    trials = np.asarray(trials, float)
    n = np.maximum(trials, 1.0)
    p = np.asarray(successes, float) / n
    middle = p + Z * Z / (2 * n)
    half = Z * np.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    # Rounding gives 100 of 100 an upper bound of 1 - 1e-16. That is below p, and an error bar
    # of negative length makes the plot fail.
    low = np.where(trials > 0, np.clip((middle - half) / scale, 0.0, p), 0.0)
    high = np.where(trials > 0, np.clip((middle + half) / scale, p, 1.0), 1.0)
    return (float(low), float(high)) if low.ndim == 0 else (low, high)
