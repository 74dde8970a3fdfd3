"""The options of the nodes `world` and `scripted_operator`."""

from dataclasses import dataclass

from so101_node.options import option
from so101_node.shared_options import (
    CameraRateOption,
    PortOptions,
    SeedOption,
    TaskOption,
    WorldOption,
)

from .layouts import find_layout
from .worlds import find_world

ROLES = ('intervene', 'demonstrate', 'watch')


@dataclass(frozen=True)
class WorldOptions(CameraRateOption, PortOptions, TaskOption, WorldOption, SeedOption):
    """What the world can be told."""

    situations: int = option(
        0,
        "number of an evaluation's situations: the cube's pose belongs to the number of the "
        'episode and comes again after so many; 0: each pose is new',
        low=0,
        high=1_000_000,
    )

    def check(self) -> None:
        """CellError for a task or a world that there is not."""
        super().check()
        find_layout(self.task)
        find_world(self.world)


@dataclass(frozen=True)
class ScriptedOperatorOptions(TaskOption, WorldOption, SeedOption):
    """What the scripted operator can be told."""

    operator_role: str = option(
        'intervene',
        'what the scripted operator does: intervene helps the policy where it fails, demonstrate '
        'drives every episode, watch only lays the cube out and starts',
        choices=ROLES,
    )

    def check(self) -> None:
        """CellError for a task or a world that there is not."""
        super().check()
        find_layout(self.task)
        find_world(self.world)
