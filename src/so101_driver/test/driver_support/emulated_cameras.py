"""Emulated V4L2 cameras for a child process, by emulated_camera.cpp."""

import os
from pathlib import Path
import subprocess

import cv2
import numpy as np

SOURCE = Path(__file__).with_name('emulated_camera.cpp')
SIZES = ('YUYV 640 480 30', 'YUYV 1280 720 10', 'MJPG 640 480 30', 'MJPG 1280 720 30')
# exposure with its automatic, gain, white balance with its automatic
CONTROLS = (
    '9a0901 0 3 3',
    '9a0902 3 2047 157 9a0901 1',
    '980913 0 100 40',
    '98090c 0 1 1',
    '98091a 2800 6500 4600 98090c 0',
)


def compile_library(directory: Path) -> Path:
    """Compile the emulator; return the library to preload."""
    library = directory / 'emulated_camera.so'
    words = ['c++', '-std=c++17', '-shared', '-fPIC', '-O1', str(SOURCE), '-o', str(library)]
    subprocess.run([*words, '-ldl'], check=True)
    return library


class EmulatedCameras:
    """The cameras of a directory in place of /dev."""

    def __init__(self, dev: Path, library: Path):
        self.dev = dev.resolve()
        self.environment = {
            **os.environ,
            'LD_PRELOAD': str(library),
            'EMULATED_CAMERAS': str(self.dev),
        }

    def add(self, number, card='Emulated Camera', sizes=SIZES, controls=CONTROLS):
        """Plug in a camera; return its path. In MJPG, its images are red at the upper left."""
        path = self.dev / f'video{number}'
        lines = [f'card {card}', *(f'size {size}' for size in sizes)]
        lines += [f'control {control}' for control in controls]
        path.with_suffix('.txt').write_text('\n'.join(lines) + '\n')
        for _, width, height, *_ in (size.split() for size in sizes):
            image = np.zeros((int(height), int(width), 3), np.uint8)
            image[: int(height) // 2, : int(width) // 2] = (0, 0, 250)
            jpeg = cv2.imencode('.jpg', image)[1].tobytes()
            path.with_suffix(f'.{width}x{height}.jpg').write_bytes(jpeg)
        self.plug(number)
        return str(path)

    def plug(self, number):
        os.mkfifo(self.dev / f'video{number}')

    def unplug(self, number):
        (self.dev / f'video{number}').unlink()

    def log(self, number):
        """Return a line for each started stream and each control that was set."""
        return (self.dev / f'video{number}.log').read_text().splitlines()
