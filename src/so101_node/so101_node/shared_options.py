"""Options that several nodes share. Options of one node are defined in its package."""

from dataclasses import dataclass

from .options import Options, option

COMMANDS = ('train', 'record', 'eval', 'preflight')


@dataclass(frozen=True)
class SeedOption(Options):
    """The seed of every random number in a run."""

    seed: int = option(
        0,
        'seed of networks, exploration noise, start poses and the simulated world',
        low=0,
        high=2**31 - 1,
        verbs=COMMANDS,
    )


@dataclass(frozen=True)
class WorldOption(Options):
    """The choice of the simulated world."""

    world: str = option(
        'plain',
        'name of the simulated world, which sets how it differs from an ideal cell: plain, hard '
        'or shifted (real for a real cell)',
        verbs=COMMANDS,
    )


@dataclass(frozen=True)
class TaskOption(Options):
    """The task, and the size of the camera images that it expects."""

    task: str = option(
        'grasp_lift',
        'name of the task: grasp_lift, grasp_lift_wide or reach',
        verbs=COMMANDS,
    )
    image_width: int = option(
        160,
        'width of the camera images that the task crops (for a real cell: camera_width)',
        unit='pixels',
        low=16,
        high=4096,
    )
    image_height: int = option(
        120,
        'height of the camera images that the task crops (for a real cell: camera_height)',
        unit='pixels',
        low=16,
        high=4096,
    )


@dataclass(frozen=True)
class PortOptions(Options):
    """The serial ports of the arms."""

    follower_port: str = option(
        '',
        'serial port of the follower arm, /dev/serial/by-id/... (the simulated world creates it)',
        verbs=COMMANDS,
    )
    leader_port: str = option(
        '',
        'serial port of the leader arm (the simulated world creates it); empty: no leader',
        verbs=COMMANDS,
    )


@dataclass(frozen=True)
class CameraRateOption(Options):
    """The rate of the camera."""

    camera_rate: float = option(30.0, 'images per second', unit='Hz', low=1.0, high=240.0)
