"""Compares the brightness of a camera's images with that at the start of its node.

A policy that has learned from images fails when their brightness drifts: automatic exposure, white
balance or daylight.
"""

import math

import numpy as np
import numpy.typing as npt

# Both means are longer than a movement of the arm, which changes what a wrist camera sees.
START = 300  # images whose mean is the brightness at the start: 10 s at 30 Hz
SMOOTHING = 1 / 600  # weight of a new image in the present brightness: about 20 s at 30 Hz
STEP = 8  # pixels between those that are looked at, in both directions
RATIO = 0.2  # of the brightness at the start: a larger difference is reported
LEAST = 8.0  # of 255; a smaller difference is never reported


class Brightness:
    """Mean brightness (0..255, all channels) of images (height, width, 3), uint8.

    start: that of the first `START` images; NaN until then. now: a running mean since.
    """

    def __init__(self) -> None:
        self.start = self.now = math.nan
        self._sum, self._images = 0.0, 0

    def add(self, image: npt.NDArray[np.uint8]) -> None:
        """Take one image into account."""
        level = float(image[::STEP, ::STEP].mean())
        if self._images < START:
            self._sum, self._images = self._sum + level, self._images + 1
            if self._images == START:
                self.start = self.now = self._sum / START
            return
        self.now += SMOOTHING * (level - self.now)

    def problem(self) -> str:
        """Return what has drifted, as a part of a sentence; '' if nothing has."""
        difference = self.now - self.start  # NaN compares as not larger
        if not abs(difference) > max(RATIO * self.start, LEAST):
            return ''
        word = 'brighter' if difference > 0 else 'darker'
        return (
            f'{word} than at the start: {self.now:.0f} of 255, was {self.start:.0f}; check the '
            'light, and fix the exposure and the white balance'
        )
