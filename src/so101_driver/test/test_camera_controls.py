"""Exposure, gain, white balance, focus and power line frequency, read back from the camera."""

from driver_support.fake_video import FakeControl, FakeKernel, FakeVideo
import pytest

from so101_driver.camera_controls import apply
from so101_driver.camera_options import CameraOptions
from so101_driver.v4l2 import VideoDevice
from so101_node.errors import CellError

EXPOSURE_AUTO, EXPOSURE, GAIN, WHITE_AUTO, WHITE = 0x9A0901, 0x9A0902, 0x980913, 0x98090C, 0x98091A
FOCUS_AUTO, FOCUS, POWER_LINE = 0x9A090C, 0x9A090A, 0x980918


@pytest.fixture
def controls():
    """Return the controls of a usual webcam."""
    return {
        EXPOSURE_AUTO: FakeControl('Exposure, Auto', 0, 3, 3),
        EXPOSURE: FakeControl('Exposure (Absolute)', 3, 2047, 157, follows=(EXPOSURE_AUTO, 1)),
        GAIN: FakeControl('Gain', 0, 100, 40),
        WHITE_AUTO: FakeControl('White Balance, Auto', 0, 1, 1),
        WHITE: FakeControl('White Balance', 2800, 6500, 4600, follows=(WHITE_AUTO, 0)),
        FOCUS_AUTO: FakeControl('Focus, Auto', 0, 1, 1),
        FOCUS: FakeControl('Focus (absolute)', 0, 250, 0, follows=(FOCUS_AUTO, 0)),
        POWER_LINE: FakeControl('Power Line Frequency', 0, 2, 2),
    }


def applied(tmp_path, controls, **settings):
    options = CameraOptions(**{f'camera_{name}': text for name, text in settings.items()})
    options.check()
    kernel = FakeKernel(tmp_path)
    path = kernel.add(0, FakeVideo('cam', {'MJPG': []}, controls))
    with VideoDevice(path, kernel.ioctl) as device:
        return apply(device, options.controls)


def values(controls):
    return {number: control.value for number, control in controls.items()}


def test_without_a_setting_nothing_is_touched(tmp_path, controls):
    before = values(controls)
    report = applied(tmp_path, controls)
    assert (report.done, report.refused) == ([], [])
    assert values(controls) == before


def test_a_number_switches_the_automatic_off_and_holds_the_value(tmp_path, controls):
    report = applied(
        tmp_path,
        controls,
        exposure='12.5',
        gain='10',
        white_balance='4000',
        focus='30',
        power_line='50',
    )
    assert report.refused == []
    assert report.done == [
        'power line frequency 50',
        'exposure 12.5 ms',
        'gain 10',
        'white balance 4000 K',
        'focus 30',
    ]
    assert [controls[c].value for c in (EXPOSURE_AUTO, EXPOSURE)] == [1, 125]  # 0.1 ms
    assert [controls[c].value for c in (WHITE_AUTO, WHITE)] == [0, 4000]
    assert [controls[c].value for c in (FOCUS_AUTO, FOCUS)] == [0, 30]
    assert [controls[c].value for c in (GAIN, POWER_LINE)] == [10, 1]


def test_auto_gives_the_control_back_to_the_camera(tmp_path, controls):
    for automatic, manual in ((EXPOSURE_AUTO, 1), (WHITE_AUTO, 0), (FOCUS_AUTO, 0)):
        controls[automatic].value = manual
    report = applied(tmp_path, controls, exposure='auto', white_balance='auto', focus='auto')
    assert report.refused == []
    assert [controls[c].value for c in (EXPOSURE_AUTO, WHITE_AUTO, FOCUS_AUTO)] == [3, 1, 1]


@pytest.mark.parametrize(
    'change, settings, sentence',
    [
        (
            lambda controls: None,
            {'exposure': '0.1'},
            'exposure (camera_exposure:=0.1) is out of its range, 0.3 ms to 204.7 ms',
        ),
        (
            lambda controls: controls.pop(FOCUS),
            {'focus': '3'},
            'focus (camera_focus:=3) is no control of this camera',
        ),
        (
            lambda controls: None,
            {'gain': 'auto'},
            'gain (camera_gain:=auto) is no control of this camera',
        ),
        (
            lambda controls: setattr(controls[WHITE], 'stuck', True),
            {'white_balance': '4000'},
            'white balance (camera_white_balance:=4000) was not accepted: it stays at 4600 K',
        ),
        (
            lambda controls: setattr(controls[EXPOSURE_AUTO], 'stuck', True),
            {'exposure': '10'},
            'exposure (camera_exposure:=10) was refused: its automatic cannot be switched off; it '
            'was not accepted: it stays at 3',
        ),
        (
            lambda controls: setattr(controls[GAIN], 'follows', (WHITE_AUTO, 7)),
            {'gain': '3'},
            'gain (camera_gain:=3) was refused: Input/output error',
        ),
        (
            lambda controls: None,
            {'power_line': 'auto'},
            'power line frequency (camera_power_line:=auto) is out of its range, disabled to 60',
        ),
    ],
)
def test_a_refusal_names_the_control_and_the_rest_is_set(
    tmp_path, controls, change, settings, sentence
):
    change(controls)
    other = {'white_balance': '5000'} if 'white_balance' not in settings else {'gain': '7'}
    report = applied(tmp_path, controls, **settings, **other)
    assert report.refused == [sentence]
    assert report.done == ['white balance 5000 K'] if 'gain' not in other else ['gain 7']


@pytest.mark.parametrize(
    'name, value, words',
    [
        ('camera_exposure', 'bright', 'is neither keep nor auto nor a number from 0 on'),
        ('camera_exposure', '34', 'is longer than the 33.3 ms of an image at camera_rate:=30;'),
        ('camera_gain', '-1', 'is neither keep nor auto'),
        ('camera_focus', 'nan', 'is neither keep nor auto'),
        ('camera_rotation', 45, 'camera_rotation:=45 is not one of 0, 90, 180, 270'),
        ('camera_format', 'MJPEG', 'camera_format:=MJPEG is no pixel format'),
        ('camera_role', 'Front', 'camera_role:=Front is no role'),
        ('camera_role', 'a/b', 'camera_role:=a/b is no role'),
    ],
)
def test_a_value_that_no_camera_has_is_one_sentence(name, value, words):
    with pytest.raises(CellError, match=words):
        CameraOptions(**{name: value}).check()


@pytest.mark.parametrize('rotation, size', [(0, (64, 48)), (90, (48, 64)), (180, (64, 48))])
def test_a_quarter_turn_swaps_the_sides_of_the_image(rotation, size):
    options = CameraOptions(camera_width=64, camera_height=48, camera_rotation=rotation)
    assert options.image_size == size
