"""An emulated servo bus, the packets of the real SDK, and scenes without chance."""

from msgspec import structs
import scservo_sdk as sdk

from so101_sim.scene import scene_of
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


def in_the_middle(task):
    """Return the scene of a task with each body always in the middle of its area."""
    scene = scene_of(task)
    place = {
        name: structs.replace(each, spread=(0.0, 0.0), yaw_spread=0.0)
        for name, each in scene.simulation.place.items()
    }
    return scene._replace(simulation=structs.replace(scene.simulation, place=place))
