"""The options of the node `camera`."""

from dataclasses import dataclass

from so101_node.errors import CellError
from so101_node.names import check_role
from so101_node.options import option
from so101_node.shared_options import COMMANDS, CameraRateOption, ManagedOption

from .camera_controls import AUTO, CONTROLS, KEEP, POWER_LINE, check_setting

ROTATIONS = (0, 90, 180, 270)
_OR = f'{KEEP}: as the camera has it, {AUTO}, or a number, which is held'


@dataclass(frozen=True)
class CameraOptions(CameraRateOption, ManagedOption):
    """Options of the camera node."""

    camera_role: str = option(
        'wrist', 'what the camera looks from; it publishes ROLE_camera/image_raw'
    )
    camera_device: str = option(
        '/dev/video0',
        'V4L2 device of the camera: its path, its link in /dev/v4l/by-id or by-path, or its '
        'number (or a video file)',
        verbs=COMMANDS,
    )
    camera_width: int = option(
        640, 'width of the images before rotation', unit='pixels', low=16, high=4096
    )
    camera_height: int = option(
        480, 'height of the images before rotation', unit='pixels', low=16, high=4096
    )
    camera_format: str = option(
        '',
        'pixel format to request, by its four characters; empty: MJPG, else YUYV, else what fits '
        'best',
    )
    camera_rotation: int = option(
        0,
        'how far the images are turned clockwise: 0, 90, 180 or 270',
        unit='deg',
        low=0,
        high=270,
    )
    camera_exposure: str = option(KEEP, f'exposure time in ms: {_OR}')
    camera_gain: str = option(KEEP, f"gain in the camera's own units: {_OR}")
    camera_white_balance: str = option(KEEP, f'white balance in K: {_OR}')
    camera_focus: str = option(KEEP, f"focus in the camera's own units: {_OR}")
    camera_power_line: str = option(
        KEEP,
        'frequency in Hz of the light, against flicker while the exposure is automatic',
        choices=(KEEP, *POWER_LINE),
    )
    camera_calibration: str = option(
        '',
        "calibration file of the camera, YAML of ROS's camera_calibration; empty: not calibrated",
        verbs=COMMANDS,
    )

    def check(self) -> None:
        """Raise CellError for a value that no camera can have."""
        super().check()
        check_role('camera_role', self.camera_role)
        if self.camera_rotation not in ROTATIONS:
            raise CellError(
                f'camera_rotation:={self.camera_rotation} is not one of '
                + ', '.join(map(str, ROTATIONS))
            )
        if self.camera_format and len(self.camera_format) > 4:
            raise CellError(
                f'camera_format:={self.camera_format} is no pixel format: it has at most 4 '
                'characters, as MJPG has'
            )
        for name in CONTROLS:
            check_setting(name, getattr(self, name))
        period = 1e3 / self.camera_rate  # ms
        if self.camera_exposure not in (KEEP, AUTO) and float(self.camera_exposure) > period:
            raise CellError(
                f'camera_exposure:={self.camera_exposure} is longer than the {period:.1f} ms of '
                f'an image at camera_rate:={self.camera_rate:g}; shorten it, or lower the rate'
            )

    @property
    def device_path(self) -> str:
        """Path of the device."""
        number = self.camera_device.isdecimal()
        return f'/dev/video{self.camera_device}' if number else self.camera_device

    @property
    def fourcc(self) -> str:
        """The requested pixel format as V4L2 spells it, with trailing spaces; '' for any."""
        return self.camera_format.ljust(4) if self.camera_format else ''

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height of the published images, in pixels."""
        size = self.camera_width, self.camera_height
        return size[::-1] if self.camera_rotation in (90, 270) else size

    @property
    def controls(self) -> dict[str, str]:
        """The settings of the V4L2 controls by the name of their option."""
        return {name: getattr(self, name) for name in ('camera_power_line', *CONTROLS)}
