"""`./cell preflight sim:=false` with a bench file: emulated servos, and a video as camera."""

from contextlib import contextmanager
import os
import threading

import cv2
import numpy as np
import pytest

from hilserl_tests.bench_follower import BenchFollower
from hilserl_tests.cell_process import CellProcess, own_domain
from so101_description.joints import REST
from so101_sim import calibration_path

pytestmark = [pytest.mark.graph, pytest.mark.slow]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A bench file with a follower and a camera."""
    writer = cv2.VideoWriter(
        str(tmp_path / 'video.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 30.0, (160, 120)
    )
    for i in range(30):
        writer.write(np.full((120, 160, 3), 100 + i, np.uint8))
    writer.release()
    (tmp_path / 'bench.yaml').write_text(
        'version: 1\n'
        f'follower: {{port: {tmp_path}/port, voltage: 12, '
        f'calibration: {calibration_path("follower")}}}\n'
        f'cameras: {{wrist: {{device: {tmp_path}/video.avi, '
        'width: 160, height: 120, rate: 15}}\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def broken_line(arm, period):
    """Break the data line of an arm for 0.6 s, again and again."""
    ending = threading.Event()

    def run():
        while not ending.wait(period):
            arm.connect(False)
            ending.wait(0.6)
            arm.connect(True)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def preflight(wait):
    with own_domain():
        words = ['preflight', 'sim:=false', 'answer_timeout:=0.01', f'preflight_wait:={wait}']
        cell = CellProcess(words, dict(os.environ))
        code = cell.wait(90.0)
    return code, '\n'.join(cell.lines)


def test_a_bench_in_order_passes_the_preflight(bench):
    with BenchFollower(bench / 'port', REST):
        code, text = preflight(60)
    assert code == 0, text
    assert f'cell: values of the bench are from {bench}/bench.yaml' in text
    assert 'ok    steady links' in text and 'ok    rate of the camera' in text
    assert 'all checks passed' in text


def test_a_bus_that_keeps_reconnecting_does_not_pass(bench):
    with BenchFollower(bench / 'port', REST) as arm, broken_line(arm, 3.0):
        code, text = preflight(8)
    assert code == 1
    assert 'FAIL  steady links: follower: its bus was lost and reconnected' in text
