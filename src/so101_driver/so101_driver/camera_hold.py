"""Holds what a camera's automatics have chosen for the present light.

Some cameras do not tell what their automatics chose. So an image before is compared with one
after, and the automatics go on again if they differ.
"""

import cv2
import numpy as np
import numpy.typing as npt

from . import camera_controls
from .v4l2 import VideoDevice

HELD = ('camera_exposure', 'camera_gain', 'camera_white_balance')
SETTLE = 30  # images until the automatics have settled, or a control has its effect
DIFFERENT = 0.15  # share by which a colour's mean may differ
NOISE = 4.0  # of 255, by which it may differ in a dark image


def hold(path: str, width: float, height: float, rate: float) -> tuple[dict[str, float], str]:
    """Hold exposure, gain and white balance of a camera; return their values by option.

    The second result is a sentence if nothing is held. width, height: of the images, pixels;
    rate: images/s.
    """
    capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    try:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        before = _colour(capture)
        if before is None:
            return {}, 'delivers no image'
        with VideoDevice(path) as device:
            chosen = camera_controls.present(device, HELD)
            if not chosen:
                return {}, 'has no control of exposure, gain or white balance'
            if (exposure := chosen.get('camera_exposure', 0.0)) > 1e3 / rate:
                return {}, (
                    f'exposes for {exposure:g} ms, longer than an image at {rate:g} Hz takes; use '
                    'more light or a lower rate'
                )
            report = camera_controls.apply(device, {n: f'{v:g}' for n, v in chosen.items()})
            after = _colour(capture)
            if report.refused or after is None or differ(before, after):
                camera_controls.apply(device, dict.fromkeys(chosen, camera_controls.AUTO))
                return {}, '; '.join(report.refused) or (
                    'does not tell what its automatics chose: held at that, its image is another '
                    'one; choose the values by hand (docs/cameras.md)'
                )
        return chosen, ''
    except OSError as error:
        return {}, f'does not answer: {error.strerror}'
    finally:
        capture.release()


def _colour(capture: cv2.VideoCapture) -> npt.NDArray[np.float64] | None:
    """Return the mean of each colour, (3,) of 255, after SETTLE images; None without one."""
    image = None
    for _ in range(SETTLE):
        read, newer = capture.read()
        if not read:
            return None
        image = newer
    mean: npt.NDArray[np.float64] = np.asarray(image, np.float64).mean((0, 1))
    return mean


def differ(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> bool:
    """Return whether two mean colours, (3,) of 255, are those of different images."""
    return bool((np.abs(after - before) > DIFFERENT * before + NOISE).any())
