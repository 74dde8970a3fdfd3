"""The drift of a camera's brightness, core and node status."""

import numpy as np
import pytest

from so101_driver.brightness import START, Brightness


def picture(level):
    return np.full((48, 64, 3), level, np.uint8)


def fed(*levels):
    brightness = Brightness()
    for level in levels:
        brightness.add(picture(level))
    return brightness


def test_the_start_is_the_mean_of_the_first_images():
    brightness = fed(*[100] * START)
    assert brightness.start == brightness.now == pytest.approx(100.0)
    assert brightness.problem() == ''


def test_before_the_start_is_known_nothing_is_reported():
    assert fed(10, 250).problem() == ''


@pytest.mark.parametrize('level, word', [(70, 'darker'), (135, 'brighter')])
def test_a_lasting_drift_is_reported_and_its_end_too(level, word):
    brightness = fed(*[100] * START, *[level] * 3000)
    assert word in brightness.problem() and f'{level}' in brightness.problem()
    for _ in range(3000):
        brightness.add(picture(100))
    assert brightness.problem() == ''


def test_a_hand_before_the_camera_for_3_s_is_no_drift():
    assert fed(*[100] * START, *[60] * 90).problem() == ''


def test_a_dark_start_reports_steps_of_the_sensor_not_its_noise():
    assert fed(*[4] * START, *[7] * 3000).problem() == ''
