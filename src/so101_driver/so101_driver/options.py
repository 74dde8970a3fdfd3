"""The options of the nodes `driver` and `camera`."""

from dataclasses import dataclass

from so101_description.joints import JOINTS, MAX_VELOCITY
from so101_node.errors import CellError
from so101_node.options import option
from so101_node.shared_options import COMMANDS, CameraRateOption, PortOptions


@dataclass(frozen=True)
class DriverOptions(PortOptions):
    """Options of the driver."""

    follower_calibration: str = option(
        '', 'calibration file of the follower, as LeRobot writes it', verbs=COMMANDS
    )
    leader_calibration: str = option(
        '', 'calibration file of the leader, as LeRobot writes it', verbs=COMMANDS
    )
    bus_rate: float = option(100.0, 'cycle rate of each bus', unit='Hz', low=10.0, high=1000.0)
    max_speed: float = option(
        2.0, 'speed limit of every joint', unit='rad/s', low=0.05, high=MAX_VELOCITY
    )
    align_speed: float = option(
        1.2,
        'speed limit from torque on until the first target is reached',
        unit='rad/s',
        low=0.05,
        high=MAX_VELOCITY,
    )
    command_timeout: float = option(
        0.25, 'greatest age of a command; an older one is ignored', unit='s', low=0.05, high=5.0
    )
    rest_after: float = option(
        120.0,
        'time without commands after which the follower goes down to its rest pose',
        unit='s',
        low=1.0,
        high=86400.0,
    )
    answer_timeout: float = option(
        0.0025,
        'how long to wait for answers beyond their transmission time; USB adapters with a '
        'latency timer need more (simulated cell: 0.01)',
        unit='s',
        low=0.001,
        high=0.05,
    )
    port_wait: float = option(
        10.0, 'how long to wait for a port to appear', unit='s', low=0.0, high=120.0
    )
    locked_joints: tuple[str, ...] = option(
        (), 'joints that never move, by name, separated by commas'
    )

    def check(self) -> None:
        """Raise CellError for an unknown joint."""
        super().check()
        unknown = [joint for joint in self.locked_joints if joint not in JOINTS]
        if unknown:
            raise CellError(
                f'locked_joints: unknown joint {", ".join(unknown)}; '
                f'the six joints are {", ".join(JOINTS)}'
            )


@dataclass(frozen=True)
class CameraOptions(CameraRateOption):
    """Options of the camera node."""

    camera_device: str = option(
        '/dev/video0', 'V4L2 device of the wrist camera (or a video file)', verbs=COMMANDS
    )
    camera_width: int = option(
        640, 'image width to request from the camera', unit='pixels', low=16, high=4096
    )
    camera_height: int = option(
        480, 'image height to request from the camera', unit='pixels', low=16, high=4096
    )
    camera_calibration: str = option(
        '',
        "calibration file of the camera, YAML of ROS's camera_calibration; empty: not calibrated",
        verbs=COMMANDS,
    )
