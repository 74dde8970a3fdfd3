"""In which ways a simulated cell is less than ideal: named sets of conditions.

A world is data. The same one is used by the `world` node, by the loop without ROS and by every
evaluation, and its name stands in what they report.
"""

from dataclasses import dataclass

from so101_node.errors import CellError


@dataclass(frozen=True)
class Conditions:
    """What differs from the ideal cell. Angles in degrees, as on a workshop drawing."""

    friction: float = 1.0  # of cube and finger pads, times the model's
    camera_tilt: float = 0.0  # degrees, about the image's horizontal axis
    brightness: float = 1.0  # of the image, times the rendered
    brightness_noise: float = 0.0  # standard deviation of that factor from episode to episode
    colour_noise: float = 0.0  # the same of each channel's own
    pixel_noise: float = 0.0  # standard deviation in grey levels, each pixel of each frame
    latency: float = 0.0  # s from a goal in the servo to the motor that obeys it
    backlash: float = 0.0  # degrees between servo and joint
    offset: float = 0.0  # degrees by which one joint's calibration is wrong ...
    offset_joint: str = 'shoulder_pan'  # ... this one's
    human: float = 0.0  # 0: a steady, tireless operator; 1: one that pauses and errs


WORLDS = {
    'plain': Conditions(),
    # what learning has to put up with on a real bench
    'hard': Conditions(
        brightness_noise=0.15,
        colour_noise=0.05,
        pixel_noise=4.0,
        latency=0.1,
        backlash=1.0,
        human=1.0,
    ),
    # another bench than the one a policy was trained on
    'shifted': Conditions(
        friction=0.7, camera_tilt=5.0, brightness=1.25, latency=0.08, backlash=1.0, offset=3.0
    ),
}


def find_world(name: str) -> Conditions:
    """The conditions of that name; CellError lists what there is."""
    if name not in WORLDS:
        raise CellError(f'there is no world {name!r}; the worlds are ' + ', '.join(WORLDS))
    return WORLDS[name]
