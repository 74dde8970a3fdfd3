"""Writes and reads the videos of a dataset: H.264 in MP4, each second frame a key frame."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from queue import Queue
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from so101_node.errors import CellError
from so101_node.foreign_files import file_size

if TYPE_CHECKING:
    import av

CODEC, FORMAT = 'libx264', 'yuv420p'
# Constant quality that is close to lossless; two frames between key frames, as LeRobot has. With
# macroblock trees and adaptive quantisation, `ultrafast` takes a seventh of the time of `fast` at
# 640x480; its files are a tenth larger, and its errors equal.
OPTIONS = {
    'crf': '12',
    'preset': 'ultrafast',
    'g': '2',
    'bf': '0',
    'x264-params': 'keyint=2:scenecut=0:mbtree=1:rc-lookahead=10:aq-mode=1',
}
SMALL = 160 * 160  # pixels; threads of the encoder cost more than they gain
WAITING = 32  # images that wait for the encoder
MAX_VIDEO = 1 << 40  # bytes
MOST_OFF = 0.3  # of a frame's time, by which a frame may be off its place
RATE_OFF = 0.02  # share by which a video's frame rate may differ from the dataset's


class VideoWriter:
    """One video file; frames follow one another at `fps` (Hz). CellError for odd sizes.

    A thread encodes while the next images are read. Its exception comes out of `write` or `close`.
    """

    def __init__(self, path: Path, fps: int, height: int, width: int):
        import av

        if height % 2 or width % 2:
            raise CellError(
                f'images of {width}x{height} pixels make no video, whose sides are even; use '
                '--images png'
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.frames = path, 0
        self._container = av.open(str(path), 'w')
        options = OPTIONS | ({'threads': '1'} if height * width <= SMALL else {})
        stream: Any = self._container.add_stream(CODEC, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, FORMAT
        stream.time_base = Fraction(1, fps)
        self._stream, self._time_base = stream, Fraction(1, fps)
        self._waiting: Queue[npt.NDArray[np.uint8] | None] = Queue(WAITING)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._encode_all, daemon=True)
        self._thread.start()

    def write(self, image: npt.NDArray[np.uint8]) -> None:
        """Append an image (height, width, 3) uint8, which must not change afterwards."""
        if self._error:
            raise self._error
        self._waiting.put(image)
        self.frames += 1

    def _encode_all(self) -> None:
        number = 0
        while (image := self._waiting.get()) is not None:
            if self._error:
                continue  # the other thread must not wait for room
            try:
                self._encode(image, number)
            except Exception as error:  # it is raised in the other thread
                self._error = error
            number += 1

    def _encode(self, image: npt.NDArray[np.uint8], number: int) -> None:
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format='rgb24')
        frame.pts, frame.time_base = number, self._time_base
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is left, and the file's index."""
        self.end()
        if self._error:
            raise self._error
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def end(self) -> None:
        """End the thread when it has encoded what waits; the file is not complete."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()


def video_info(fps: int, height: int, width: int) -> dict[str, Any]:
    """What LeRobot's metadata says of a video."""
    return {
        'video.height': height,
        'video.width': width,
        'video.codec': 'h264',
        'video.pix_fmt': FORMAT,
        'video.is_depth_map': False,
        'video.fps': fps,
        'video.channels': 3,
        'has_audio': False,
    }


def read_frames(
    path: Path, fps: float, start: float, wanted: set[int]
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield the wanted frames of an episode with their numbers: (height, width, 3) uint8.

    start: when the episode begins in the video, s. CellError if the video is missing or damaged,
    has another frame rate, or lacks a frame.
    """
    import av

    file_size(path, 'video', MAX_VIDEO, 'copy the whole dataset again')
    left = set(wanted)
    try:
        with av.open(str(path)) as container:
            yield from _decoded(container, path, fps, start, left)
    except (av.FFmpegError, ValueError, IndexError) as error:
        text = ' '.join(str(error).split())[:200]
        raise CellError(f'video {path} is damaged: {text}; copy it again') from error
    if left:
        raise CellError(
            f'video {path} lacks frame {min(left)} of an episode that begins at {start:.2f} s; '
            'copy it again'
        )


def _decoded(
    container: 'av.container.InputContainer', path: Path, fps: float, start: float, left: set[int]
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    stream = container.streams.video[0]
    rate = float(stream.average_rate or 0)
    if abs(rate - fps) > RATE_OFF * fps:
        raise CellError(
            f'video {path} has {rate:.4g} frames a second, but the dataset says fps {fps:g}; '
            'correct fps in meta/info.json, or encode the video again'
        )
    stream.thread_type = 'AUTO'
    if start > 0.0 and stream.time_base:
        container.seek(int((start - 1 / fps) / stream.time_base), stream=stream)
    for frame in container.decode(stream):
        place = (frame.time - start) * fps if frame.time is not None else -1.0
        number = round(place)
        if number not in left:
            continue
        if abs(place - number) > MOST_OFF:
            raise CellError(
                f'video {path} has a frame at {frame.time:.3f} s, where fps {fps:g} has none; '
                'encode the video again'
            )
        left.discard(number)
        yield number, np.ascontiguousarray(frame.to_ndarray(format='rgb24'), np.uint8)
        if not left:
            return
