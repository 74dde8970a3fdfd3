"""The `camera` node: publishes a camera as `image_raw` (rgb8) and `camera_info`.

The role of the camera is the first part of its topics (`wrist_camera/image_raw`). Each image is
stamped when it has been read, and published at once, without a queue. It is a managed node: it
reads the device from `configure` on, and publishes while it is active.
"""

import threading
import time

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, Image

from so101_node import names, qos
from so101_node.cdr import image_to_cdr
from so101_node.managed_node import ManagedNode

from .brightness import Brightness
from .camera import Camera
from .camera_calibration import CameraCalibration, load_camera_calibration
from .camera_options import CameraOptions
from .diagnostics import make_status

CLOSE_TIME = 5.0  # s for the end of a read; OpenCV gives a camera up after 3
LATE = 3.0  # image periods without an image after which the camera is stale


class CameraNode(ManagedNode):
    """Publishes the images of a `Camera`."""

    OPTIONS = CameraOptions
    options: CameraOptions

    def __init__(self) -> None:
        super().__init__('camera')
        width, height = self.options.image_size
        self._info = CameraInfo(height=height, width=width)  # K is zero: not calibrated
        if self.options.camera_calibration:
            self._fill_info(
                load_camera_calibration(self.options.camera_calibration, width, height)
            )
        self._name = camera = names.camera_of(self.options.camera_role)
        self._info.header.frame_id = camera + '_optical_frame'
        self._images = self.create_publisher(
            Image, names.IMAGE.format(camera=camera), qos.SENSOR_PUB
        )
        self._infos = self.create_publisher(
            CameraInfo, names.CAMERA_INFO.format(camera=camera), qos.SENSOR_PUB
        )
        self._brightness = Brightness()
        self._camera: Camera | None = None
        self._thread: threading.Thread | None = None
        self.create_timer(1.0, self._diagnose)
        self.begin()

    def configure(self) -> None:
        """Open the device and read it; no image is published yet."""
        camera = Camera(self.options, self._publish, self.get_logger().warning)
        camera.open()
        self._before = time.monotonic(), camera.images
        self._camera, self._thread = camera, self.guard(camera.run)

    def activate(self) -> None:
        """Publish the images from now on."""

    def deactivate(self) -> None:
        """Publish no image; the device goes on, so that the first one afterwards is fresh."""

    def cleanup(self) -> None:
        """Close the device."""
        camera, self._camera = self._camera, None
        if camera and self._thread:
            camera.close()
            self._thread.join(CLOSE_TIME)

    def _fill_info(self, calibration: CameraCalibration) -> None:
        info = self._info
        info.distortion_model, info.d = calibration.distortion_model, calibration.d
        info.k, info.r, info.p = calibration.k, calibration.r, calibration.p

    def _diagnose(self) -> None:
        camera, now = self._camera, time.monotonic()
        if camera is None:
            return
        since, images = self._before
        self._before = now, camera.images
        rate, age = (camera.images - images) / (now - since), now - camera.last_at
        level, message = DiagnosticStatus.OK, 'ok'
        if refused := camera.controls.refused:
            level, message = DiagnosticStatus.WARN, '; '.join(refused)
        if drift := self._brightness.problem():
            level, message = DiagnosticStatus.WARN, drift
        if rate < 0.8 * camera.rate:
            level, message = DiagnosticStatus.WARN, f'{rate:.1f} Hz of {camera.rate:.1f}'
        if age > LATE / camera.rate:
            level, message = DiagnosticStatus.STALE, f'no image for {age:.1f} s'
        elif not self.enabled:
            level, message = DiagnosticStatus.OK, 'inactive'
        self.diagnose(
            make_status(
                level,
                f'camera: {self._name}',
                message,
                camera.device,
                [
                    ('rate_hz', f'{rate:.1f}'),
                    ('rate_wanted_hz', f'{camera.rate:.1f}'),
                    ('age_s', f'{age:.3f}'),
                    ('frames', camera.images),
                    ('reopened', camera.reopened),
                    ('format', _format(camera)),
                    ('controls', ', '.join(camera.controls.done)),
                    ('brightness', f'{self._brightness.now:.1f}'),
                    ('brightness_at_start', f'{self._brightness.start:.1f}'),
                ],
            )
        )

    def _publish(self, stamp_ns: int, image: npt.NDArray[np.uint8]) -> None:
        if not self.enabled:
            return
        header = self._info.header
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        self._images.publish(image_to_cdr(stamp_ns, header.frame_id, image))
        self._infos.publish(self._info)
        self._brightness.add(image)

    def close(self) -> None:
        """Close the device."""
        self.end()
        self.cleanup()


def _format(camera: Camera) -> str:
    request = camera.request
    return f'{request.fourcc} {request.width}x{request.height}' if request else 'a file'
