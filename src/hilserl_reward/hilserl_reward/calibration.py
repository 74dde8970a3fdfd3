"""Turns a network's logit into a probability that holds on episodes that it has not seen.

Platt's scaling (Platt 1999): sigmoid(slope * logit + offset), fitted to held-out frames, with his
smoothed targets, so that few frames that are all told apart do not give a step.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
STEPS = 100  # of Newton's method; it ends earlier when nothing changes


@dataclass(frozen=True)
class Calibration:
    """The two numbers of Platt's scaling. A slope of 0 or less: the scores say nothing."""

    slope: float = 1.0
    offset: float = 0.0

    def probability(self, logit: npt.ArrayLike) -> Floats:
        """Return the probability of success for logits of any shape."""
        score = np.clip(self.slope * np.asarray(logit, np.float64) + self.offset, -60.0, 60.0)
        found: Floats = 1.0 / (1.0 + np.exp(-score))
        return found


def fitted(logits: Floats, positive: npt.NDArray[np.bool_]) -> Calibration:
    """Fit a calibration to logits (N,) and whether each frame is a success (N,)."""
    count = int(positive.sum())
    high, low = (count + 1.0) / (count + 2.0), 1.0 / (len(positive) - count + 2.0)
    wanted = np.where(positive, high, low)
    scale = max(float(np.std(logits)), 1e-6)  # a unit scale keeps Newton's method stable
    x = np.stack([logits / scale, np.ones(len(logits))], 1)
    weights = np.zeros(2)
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -60.0, 60.0)))
        gradient = x.T @ (p - wanted) + 1e-6 * weights
        curvature = (x * (p * (1.0 - p))[:, None]).T @ x + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        # A full step may overshoot where the curve is flat.
        weights -= step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(float(weights[0] / scale), float(weights[1]))


def area_under_roc(scores: Floats, positive: npt.NDArray[np.bool_]) -> float:
    """Return the chance that a success scores higher than another frame; 0.5: it says nothing.

    NaN without frames of both kinds.
    """
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return float('nan')
    _, place, ties = np.unique(scores, return_inverse=True, return_counts=True)
    rank = np.cumsum(ties) - (ties - 1) / 2.0  # of equal scores: their mean
    return float((rank[place][positive].sum() - count * (count + 1) / 2.0) / (count * others))


def calibration_error(
    probability: Floats, positive: npt.NDArray[np.bool_], bins: int = 10
) -> float:
    """Return the expected calibration error: mean of |probability - share of successes|."""
    which = np.minimum((probability * bins).astype(int), bins - 1)
    total = 0.0
    for number in range(bins):
        inside = which == number
        if inside.any():
            away = probability[inside].mean() - positive[inside].mean()
            total += abs(float(away)) * int(inside.sum())
    return total / max(len(probability), 1)
