"""LeRobot's own bus class as a client. Arguments: port, task. Prints one JSON line."""

import json
import sys
from unittest.mock import MagicMock

# LeRobot's bus imports a module of helpers that needs these; the bus uses none of them.
for name in ('torch', 'accelerate', 'accelerate.utils', 'datasets', 'datasets.utils.logging'):
    sys.modules[name] = MagicMock()

from lerobot.motors import Motor, MotorCalibration, MotorNormMode  # noqa: E402
from lerobot.motors.feetech import FeetechMotorsBus  # noqa: E402

JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')


def setup(bus, joint):
    """Give the only servo its id and baud rate."""
    bus.setup_motor(joint)
    bus.disconnect(False)


def use(bus):
    """Read all positions, calibrate, write and read a setting; return what was read."""
    bus.connect()
    bus.configure_motors()
    before = bus.sync_read('Present_Position', normalize=False)
    bus.disable_torque()
    homing = bus.set_half_turn_homings()
    after = bus.sync_read('Present_Position', normalize=False)
    table = {
        joint: MotorCalibration(motor.id, 0, homing[joint], 1000, 3000)
        for joint, motor in bus.motors.items()
    }
    bus.write_calibration(table)
    read = {joint: vars(row) for joint, row in bus.read_calibration().items()}
    bus.sync_write('Goal_Position', dict.fromkeys(JOINTS, 50.0))
    goals = bus.sync_read('Goal_Position', normalize=False)
    bus.disconnect(True)
    return {'before': before, 'after': after, 'calibration': read, 'goals': goals}


def main():
    """Do the task."""
    port, task = sys.argv[1:]
    motors = {
        joint: Motor(i + 1, 'sts3215', MotorNormMode.RANGE_0_100) for i, joint in enumerate(JOINTS)
    }
    bus = FeetechMotorsBus(port, motors)
    print(json.dumps(use(bus) if task == 'use' else setup(bus, task)))


main()
