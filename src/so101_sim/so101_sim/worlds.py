"""Named worlds: sets of conditions in which a simulated cell differs from the ideal one.

A world is data. The `world` node, the in-process simulation and every evaluation use the same
worlds and report their names.
"""

from dataclasses import dataclass

from so101_node.errors import CellError
from so101_node.shared_options import HELD_OUT


@dataclass(frozen=True)
class Conditions:
    """Differences from the ideal cell. Angles in degrees."""

    friction: float = 1.0  # factor on the friction of cube and finger pads
    camera_tilt: float = 0.0  # degrees, about the image's horizontal axis
    brightness: float = 1.0  # factor on the image
    brightness_noise: float = 0.0  # standard deviation of that factor between episodes
    colour_noise: float = 0.0  # the same for the factor of each channel
    pixel_noise: float = 0.0  # standard deviation in grey levels, of each pixel of each image
    latency: float = 0.0  # s from a servo's new goal position to the motion of its motor
    backlash: float = 0.0  # degrees between servo and joint
    offset: float = 0.0  # degrees of calibration error of one joint
    offset_joint: str = 'shoulder_pan'  # the joint with the calibration error
    distractors: int = 0  # objects in the scene that have nothing to do with the task
    colour_shift: float = 0.0  # the colours of bodies and table differ by up to this (0 to 1)
    light_shift: float = 0.0  # the lights differ by up to this share, and come from elsewhere
    human: float = 0.0  # 0: an ideal operator; 1: an operator with delay, tremor and pauses


WORLDS = {
    'plain': Conditions(),
    # disturbances that learning meets on a real bench
    'hard': Conditions(
        brightness_noise=0.15,
        colour_noise=0.05,
        pixel_noise=4.0,
        latency=0.1,
        backlash=1.0,
        human=1.0,
    ),
    # a bench that differs from the one of the training
    'shifted': Conditions(
        friction=0.7, camera_tilt=5.0, brightness=1.25, latency=0.08, backlash=1.0, offset=3.0
    ),
    # what no training sees; only evaluations may use it
    HELD_OUT: Conditions(distractors=3, colour_shift=0.15, light_shift=0.4),
}

TRAINING_WORLDS = tuple(name for name in WORLDS if name != HELD_OUT)


def find_world(name: str) -> Conditions:
    """Return the conditions of a world; CellError lists the worlds if it is unknown."""
    if name not in WORLDS:
        raise CellError(f'there is no world {name!r}; the worlds are ' + ', '.join(WORLDS))
    return WORLDS[name]
