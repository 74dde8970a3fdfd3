"""Adds imperfect light and sensor noise to a rendered image."""

import numpy as np
import numpy.typing as npt

from .worlds import Conditions

_RESERVE = 4096  # number of different start indices in the noise


class Light:
    """Brightness, colour and pixel noise of one camera."""

    def __init__(self, conditions: Conditions, shape: tuple[int, int, int]):
        self._conditions, self._shape = conditions, shape
        self._situation: tuple[int, int] | None = None
        self._gain = np.ones(3, np.float32)
        self._rng = np.random.default_rng(2)
        # Drawn once and read from a random index: drawing takes as long as rendering.
        self._noise = np.float32(conditions.pixel_noise) * self._rng.standard_normal(
            int(np.prod(shape)) + _RESERVE, np.float32
        )

    def apply(
        self, image: npt.NDArray[np.uint8], situation: tuple[int, int]
    ) -> npt.NDArray[np.uint8]:
        """Return the image (H, W, 3) uint8 with noise and with the light of `situation`."""
        if situation != self._situation:
            self._situation, self._gain = situation, self._draw(situation)
        if not self._conditions.pixel_noise and (self._gain == 1.0).all():
            return image
        begin = self._rng.integers(_RESERVE)
        noise = self._noise[begin : begin + image.size].reshape(self._shape)
        return np.clip(image * self._gain + noise, 0.0, 255.0).astype(np.uint8)

    def _draw(self, situation: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Draw the gain of each channel, (3,)."""
        conditions, rng = self._conditions, np.random.default_rng((*situation, 1))
        gain = (
            conditions.brightness
            * (1.0 + conditions.brightness_noise * rng.standard_normal())
            * (1.0 + conditions.colour_noise * rng.standard_normal(3))
        )
        return gain.astype(np.float32)
