"""The options of the nodes `world` and `scripted_operator`."""

from dataclasses import dataclass

from so101_node.options import option
from so101_node.shared_options import (
    CameraRateOption,
    JointLimitsOption,
    PatienceOption,
    PortOptions,
    RunIdOption,
    SeedOption,
    TaskOption,
    WorldOption,
)

from .scene import scene_of
from .worlds import find_world

ROLES = ('intervene', 'demonstrate', 'near_miss', 'watch')


@dataclass(frozen=True)
class WorldOptions(
    CameraRateOption,
    PortOptions,
    TaskOption,
    WorldOption,
    SeedOption,
    RunIdOption,
    JointLimitsOption,
    PatienceOption,
):
    """Options of the world."""

    situations: int = option(
        0,
        'number of different cube poses in an evaluation; the number of the episode selects the '
        'pose; 0: each pose is new',
        low=0,
        high=1_000_000,
    )

    gives_reward: bool = option(
        True, 'whether the world publishes the reward (reward:=world sets it)'
    )

    def check(self) -> None:
        """CellError for a task or a world that there is not."""
        super().check()
        scene_of(self.task)
        find_world(self.world)


@dataclass(frozen=True)
class ScriptedOperatorOptions(TaskOption, WorldOption, SeedOption):
    """Options of the scripted operator."""

    operator_role: str = option(
        'intervene',
        'task of the scripted operator: intervene helps the policy where it fails, demonstrate '
        'drives every episode, near_miss drives every episode so that it looks like a success and '
        'is none, watch only places the cube and starts episodes',
        choices=ROLES,
    )

    def check(self) -> None:
        """CellError for a task or a world that there is not."""
        super().check()
        scene_of(self.task)
        find_world(self.world)


@dataclass(frozen=True)
class VirtualLeaderOptions(JointLimitsOption):
    """Options of the virtual leader of a follower without a leader arm."""
