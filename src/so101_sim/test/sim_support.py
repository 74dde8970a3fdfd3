"""An emulated servo bus, and the packets of the real SDK."""

import scservo_sdk as sdk

from so101_sim.sts3215 import Sensed, Sts3215

IDS = (1, 2, 3, 4, 5, 6)


def make_servo(servo_id):
    # joint in the middle of its range: bus ticks 2047 = encoder ticks - homing offset
    offset = 100 * servo_id * (-1) ** servo_id
    return Sts3215(
        servo_id,
        Sensed(position=2047.0 + offset),
        homing_offset=offset,
        range_min=1000,
        range_max=3000,
    )


packets = sdk.PacketHandler(0)


def servo(bus, servo_id):
    return bus.servos[servo_id - 1]


def packet(servo_id, instruction, parameters):
    body = bytes([servo_id, len(parameters) + 2, instruction, *parameters])
    return b'\xff\xff' + body + bytes([~sum(body) & 0xFF])
