"""Options that several nodes share. Options of one node are defined in its package."""

from dataclasses import dataclass

from .options import Options, option
from .run_id import check_run_id

HELD_OUT = 'hold_out'  # the world that no training sees
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
class RunIdOption(Options):
    """The id of the run, which its steps, rewards and weights bear."""

    run_id: str = option(
        '',
        'id of the run; messages of other runs are refused (empty: random for each start)',
    )

    def check(self) -> None:
        """Raise CellError if the id has characters that no run id has."""
        super().check()
        check_run_id(self.run_id)


@dataclass(frozen=True)
class WorldOption(Options):
    """The choice of the simulated world."""

    world: str = option(
        'plain',
        'name of the simulated world, which sets how it differs from an ideal cell: plain, hard, '
        'shifted, or hold_out, which only evaluations use (real for a real cell)',
        verbs=COMMANDS,
    )


@dataclass(frozen=True)
class TaskOption(Options):
    """The task, and the size of the camera images that it expects."""

    task: str = option(
        'grasp_lift',
        'name of an installed task (./cell task show lists them), or the path of a task file',
        verbs=COMMANDS,
    )
    image_width: int = option(
        160,
        'width of the camera images that the task crops (for a real cell: that of its camera)',
        unit='pixels',
        low=16,
        high=4096,
    )
    image_height: int = option(
        120,
        'height of the camera images that the task crops (for a real cell: that of its camera)',
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
class ManagedOption(Options):
    """Who configures and activates a managed node."""

    managed: bool = option(
        False,
        'the nodes of arms and cameras wait for ros2 lifecycle to configure and activate them',
        verbs=COMMANDS,
    )


@dataclass(frozen=True)
class TableOption(Options):
    """The table that the arm must not hit."""

    table_height: float = option(
        0.0,
        'height of the table over the bottom of the base (z of base_link); -1: no table within '
        'reach',
        unit='m',
        low=-1.0,
        high=0.3,
        verbs=COMMANDS,
    )


@dataclass(frozen=True)
class PatienceOption(Options):
    """How much longer the nodes of a simulated cell wait for each other than those of a real one.

    A busy computer then slows the simulated cell down, where a real arm would be stopped.
    """

    patience: float = option(
        1.0,
        'factor of the limits of ages, answers and silence (simulated cell: 10; a real cell: '
        'always 1)',
        low=1.0,
        high=100.0,
    )


@dataclass(frozen=True)
class CameraRateOption(Options):
    """The rate of the camera."""

    camera_rate: float = option(30.0, 'images per second', unit='Hz', low=1.0, high=240.0)


@dataclass(frozen=True)
class JointLimitsOption(Options):
    """The joint limits, which driver, FK service and simulated world must share."""

    joint_limits: str = option(
        'model',
        "limits of every joint within its recorded range: model keeps to the model's, contact "
        'goes on to where the parts of a built arm meet',
        choices=('model', 'contact'),
        verbs=COMMANDS,
    )
