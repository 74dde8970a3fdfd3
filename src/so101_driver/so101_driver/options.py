"""The options of the node `driver`."""

from dataclasses import dataclass

from so101_description.joints import JOINTS, MAX_VELOCITY
from so101_node.errors import CellError
from so101_node.options import option
from so101_node.shared_options import (
    COMMANDS,
    JointLimitsOption,
    ManagedOption,
    PatienceOption,
    PortOptions,
    TableOption,
)


@dataclass(frozen=True)
class DriverOptions(PortOptions, TableOption, JointLimitsOption, PatienceOption, ManagedOption):
    """Options of the driver."""

    follower_calibration: str = option(
        '',
        'calibration file of the follower, as LeRobot writes it; lerobot:ID finds it by its id',
        verbs=COMMANDS,
    )
    leader_calibration: str = option(
        '',
        'calibration file of the leader, as LeRobot writes it; lerobot:ID finds it by its id',
        verbs=COMMANDS,
    )
    follower_voltage: float = option(
        0.0,
        "voltage of the follower's supply, as printed on it; 0: unknown",
        unit='V',
        low=0.0,
        high=24.0,
    )
    leader_voltage: float = option(
        0.0,
        "voltage of the leader's supply, as printed on it; 0: unknown",
        unit='V',
        low=0.0,
        high=24.0,
    )
    least_range: float = option(
        0.5,
        "narrowest range in a calibration file, as a share of the joint model's range",
        low=0.2,
        high=1.0,
    )
    most_range: float = option(
        1.25,
        "widest range in a calibration file, as a share of the joint model's range",
        low=1.0,
        high=2.0,
    )
    span_difference: float = option(
        0.1,
        'how much the ranges of a joint may differ between the two arms, as a share of the wider',
        low=0.0,
        high=1.0,
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
    setpoint_lead: float = option(
        0.2,
        'how far the setpoint of a joint may be ahead of the joint: what load and lag explain, '
        'and a margin; the gripper has no such limit',
        unit='rad',
        low=0.05,
        high=1.0,
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
        'how long to wait for answers beyond their transmission time, at least; the driver '
        'measures its adapter and waits longer if needed (simulated cell: 0.01)',
        unit='s',
        low=0.001,
        high=0.05,
    )
    port_wait: float = option(
        10.0,
        'how long to wait for a port to appear (simulated cell: as long as the world runs)',
        unit='s',
        low=0.0,
        high=86400.0,
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
