"""The `camera` node: the wrist camera as `image_raw` (rgb8) and `camera_info`, in its own process.

Each frame is stamped when it has been read and published at once; nothing queues.
"""
from array import array

from sensor_msgs.msg import CameraInfo, Image

from so101_description import names, qos
from so101_description.ros_node import CellNode, Parameter

from .camera import Camera


class CameraNode(CellNode):
    """Publishes what a `Camera` sees."""

    PARAMETERS = (
        Parameter('device', '/dev/video0', 'V4L2 device (or a video file)'),
        Parameter('width', 640, 'width of the frames, pixels', 16, 4096),
        Parameter('height', 480, 'height of the frames, pixels', 16, 4096),
        Parameter('rate', 30.0, 'frames to ask the camera for, Hz', 1.0, 240.0),
    )

    def __init__(self):
        super().__init__('camera')
        width, height = self.param('width'), self.param('height')
        self._image = Image(height=height, width=width, encoding='rgb8', step=3 * width)
        self._info = CameraInfo(height=height, width=width)  # K of zeros: not calibrated
        camera = names.WRIST_CAMERA
        self._image.header.frame_id = self._info.header.frame_id = camera + '_optical_frame'
        self._images = self.create_publisher(
            Image, names.IMAGE.format(camera=camera), qos.SENSOR_PUB)
        self._infos = self.create_publisher(
            CameraInfo, names.CAMERA_INFO.format(camera=camera), qos.SENSOR_PUB)
        self._camera = Camera(self.param('device'), width, height, self.param('rate'),
                              self._publish, self.get_logger().warning)
        self._camera.open()
        self._thread = self.guard(self._camera.run)

    def _publish(self, stamp_ns: int, image) -> None:
        stamp = self._image.header.stamp
        stamp.sec, stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        self._info.header.stamp = stamp
        self._image.data = array('B', image.tobytes())
        self._images.publish(self._image)
        self._infos.publish(self._info)

    def close(self) -> None:
        """Release the device."""
        self._camera.close()
        self._thread.join(2.0)
