"""One image of a camera: taken, saved as PNG, and shown in a terminal."""

import os
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.color import Color
from rich.style import Style
from rich.text import Text

from so101_node.errors import CellError

Image = npt.NDArray[np.uint8]  # (height, width, 3), RGB
WARM_UP = 5  # images until the exposure has settled a little
COLUMNS = 48  # of the image in a terminal


def take(device: str, width: int, height: int) -> Image | None:
    """Return an image of a camera (or a video file) at about that size; None if none comes."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(device, cv2.CAP_ANY if os.path.isfile(device) else cv2.CAP_V4L2)
    try:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        image = None
        for _ in range(WARM_UP):
            read, newer = capture.read()
            if not read:
                break
            image = newer
        return None if image is None else np.asarray(image[:, :, ::-1], np.uint8)
    finally:
        capture.release()


def save(image: Image, path: Path) -> None:
    """Write an image as PNG; CellError if that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
        raise CellError(f'{path} cannot be written; name another directory with --images')


def half_blocks(image: Image, columns: int = COLUMNS) -> Text:
    """Return an image as text: each character has two pixels, one above the other."""
    rows = max(round(image.shape[0] * columns / image.shape[1] / 2), 1)
    small = cv2.resize(image, (columns, 2 * rows), interpolation=cv2.INTER_AREA)
    text = Text()
    for upper, lower in zip(small[::2].tolist(), small[1::2].tolist()):
        for above, below in zip(upper, lower):
            style = Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below))
            text.append('▀', style)
        text.append('\n')
    return text
