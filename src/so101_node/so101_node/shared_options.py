"""Options that several nodes share, each once. A node's own stand with the node."""

from dataclasses import dataclass

from .options import Options, option

COMMANDS = ('train', 'record', 'eval', 'preflight')


@dataclass(frozen=True)
class SeedOption(Options):
    """One seed for all that is random."""

    seed: int = option(
        0,
        'seed of networks, exploration noise, start poses and the simulated world',
        low=0,
        high=2**31 - 1,
        verbs=COMMANDS,
    )


@dataclass(frozen=True)
class WorldOption(Options):
    """Which simulated world."""

    world: str = option(
        'plain',
        'in which ways the simulated cell is less than ideal: plain, hard or shifted '
        '(a real cell says real)',
        verbs=COMMANDS,
    )


@dataclass(frozen=True)
class TaskOption(Options):
    """Which task, and the size of the camera images that it expects."""

    task: str = option(
        'grasp_lift',
        'name of the task: grasp_lift, grasp_lift_wide or reach',
        verbs=COMMANDS,
    )
    image_width: int = option(
        160,
        'width of the camera images that the task crops (a real cell: camera_width)',
        unit='pixels',
        low=16,
        high=4096,
    )
    image_height: int = option(
        120,
        'height of the camera images that the task crops (a real cell: camera_height)',
        unit='pixels',
        low=16,
        high=4096,
    )


@dataclass(frozen=True)
class PortOptions(Options):
    """Where the arms' buses are."""

    follower_port: str = option(
        '',
        'serial port of the follower arm, /dev/serial/by-id/... (the simulated world makes it)',
        verbs=COMMANDS,
    )
    leader_port: str = option(
        '',
        'serial port of the leader arm (the simulated world makes it); empty: there is none',
        verbs=COMMANDS,
    )


@dataclass(frozen=True)
class CameraRateOption(Options):
    """How often a camera delivers."""

    camera_rate: float = option(30.0, 'images a second', unit='Hz', low=1.0, high=240.0)
