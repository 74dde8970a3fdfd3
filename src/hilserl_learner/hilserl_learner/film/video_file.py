"""Writes a film: MP4 by OpenCV, or GIF or animated PNG by Pillow, by the file's ending.

OpenCV's wheels have no H.264 encoder, for licence reasons. VP9 plays in browsers and in VLC.
"""

from collections.abc import Callable, Iterable
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from so101_node.errors import CellError

from .drawing import Picture

CODECS = ('vp09', 'avc1', 'mp4v')  # the first that this OpenCV has
MP4, GIF, APNG = ENDINGS = ('.mp4', '.gif', '.png')
MAX_PICTURES = 3_000  # of a GIF or PNG: they are in memory
PALETTE_PICTURES = 8  # from which the colours of a GIF are chosen
COLOURS = 255


def write_film(file: Path, pictures: Iterable[Picture], rate: float) -> int:
    """Write the pictures, all of one size, at `rate` (Hz). Return how many they are.

    CellError if the ending is not one of ENDINGS or the file cannot be written. Until the film is
    complete, an older file of that name stays.
    """
    write = _WRITERS.get(file.suffix.lower())
    if write is None:
        raise CellError(f'{file} is no kind of film that is known; end it by {", ".join(ENDINGS)}')
    part = file.with_name(f'.{file.stem[:100]}.{os.getpid()}{file.suffix.lower()}')
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        count = write(part, pictures, rate)
        os.replace(part, file)
    except OSError as error:
        raise CellError(f'the film {file} cannot be written: {error}') from error
    finally:
        part.unlink(missing_ok=True)
    return count


def _write_mp4(file: Path, pictures: Iterable[Picture], rate: float) -> int:
    video, count = None, 0
    try:
        for picture in pictures:
            video = video or _opened(file, picture.shape[1], picture.shape[0], rate)
            video.write(np.ascontiguousarray(picture[:, :, ::-1]))
            count += 1
    finally:
        if video:
            video.release()
    if not count or not cv2.VideoCapture(str(file)).read()[0]:
        raise CellError(
            f'OpenCV wrote no readable film to {file}; is the disk full? Or take another ending: '
            f'{GIF} or {APNG}'
        )
    return count


def _opened(file: Path, width: int, height: int, rate: float) -> cv2.VideoWriter:
    for codec in CODECS:
        code = cv2.VideoWriter.fourcc(*codec)
        video = cv2.VideoWriter(str(file), cv2.CAP_FFMPEG, code, rate, (width, height))
        if video.isOpened():
            return video
    raise CellError(
        f'this OpenCV ({cv2.__version__}) cannot write {MP4}; take another ending: {GIF} or {APNG}'
    )


def _write_gif(file: Path, pictures: Iterable[Picture], rate: float) -> int:
    images = _images(pictures)
    chosen = images[:: max(1, len(images) // PALETTE_PICTURES)]
    mosaic = Image.fromarray(np.concatenate([np.asarray(image) for image in chosen], axis=1))
    palette = mosaic.quantize(COLOURS, Image.Quantize.MEDIANCUT)
    reduced = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    reduced[0].save(file, **_animated(reduced, rate), optimize=False)
    return len(images)


def _write_png(file: Path, pictures: Iterable[Picture], rate: float) -> int:
    images = _images(pictures)
    images[0].save(file, **_animated(images, rate), default_image=False)
    return len(images)


def _images(pictures: Iterable[Picture]) -> list[Image.Image]:
    images: list[Image.Image] = []
    for picture in pictures:
        if len(images) == MAX_PICTURES:
            raise CellError(
                f'a {GIF} or {APNG} has at most {MAX_PICTURES:,} pictures; choose fewer episodes, '
                f'or {MP4}'
            )
        images.append(Image.fromarray(picture))
    return images


def _animated(images: list[Image.Image], rate: float) -> dict[str, Any]:
    return {
        'save_all': True,
        'append_images': images[1:],
        'duration': round(1000 / rate),  # ms
        'loop': 0,
    }


_WRITERS: dict[str, Callable[[Path, Iterable[Picture], float], int]] = {
    MP4: _write_mp4,
    GIF: _write_gif,
    APNG: _write_png,
}
