"""The scales and limits of the kinematics."""

from dataclasses import dataclass

from so101_node.errors import CellError
from so101_node.options import option
from so101_node.shared_options import JointLimitsOption, TableOption

from .action_space import DEFAULT, ActionSpace

Corner = tuple[float, float, float]  # of a box, m


@dataclass(frozen=True)
class KinematicsConfig(TableOption, JointLimitsOption):
    """Scales and limits: the options of the node `kinematics`. Positions are in base_link.

    Bring-up sets the action and the box from the task.
    """

    action: tuple[str, ...] = option(
        DEFAULT.text(),
        'axes of an action in their order, each with how far an action of 1 moves it (dx, dy, dz: '
        'm; droll, dpitch, joints, gripper: rad)',
    )
    # Gravity keeps a loaded SO-101 about 1 cm from its target; the rest is one period of motion.
    max_lead: float = option(
        0.05,
        'how far a target may be ahead of the measured tool',
        unit='m',
        low=0.005,
        high=0.2,
    )
    # A gripper that holds an object cannot follow its target; this lead sets the grip force.
    max_gripper_lead: float = option(
        0.3,
        'how far a target may be ahead of the measured gripper',
        unit='rad',
        low=0.02,
        high=2.0,
    )
    max_joint_step: float = option(
        0.35,
        'how far a joint may move from one target to the next',
        unit='rad',
        low=0.01,
        high=1.0,
    )
    # Below 13.5 mm the finger pads drag on the table and block the arm.
    box_min: tuple[float, float, float] = option(
        (0.10, -0.15, 0.0135), 'lower corner of the workspace box', unit='m'
    )
    box_max: tuple[float, float, float] = option(
        (0.35, 0.15, 0.25), 'upper corner of the workspace box', unit='m'
    )

    workspace_min: tuple[float, float, float] = option(
        (-1.0, -1.0, -1.0),
        'lower corner of the space that this bench has; the tool keeps within it and the box',
        unit='m',
    )
    workspace_max: tuple[float, float, float] = option(
        (1.0, 1.0, 1.0), 'upper corner of the space that this bench has', unit='m'
    )

    @property
    def action_space(self) -> ActionSpace:
        """The axes of an action; CellError if the option `action` has a wrong one."""
        return ActionSpace.from_text(self.action)

    @property
    def reachable_box(self) -> tuple[Corner, Corner]:
        """The lower and the upper corner of what workspace box and bench share, (3,) m each."""
        low = (max(pair) for pair in zip(self.box_min, self.workspace_min))
        high = (min(pair) for pair in zip(self.box_max, self.workspace_max))
        return (next(low), next(low), next(low)), (next(high), next(high), next(high))

    def check(self) -> None:
        """Raise CellError for a wrong action or a box without volume."""
        super().check()
        self.action_space  # noqa: B018
        if not all(low < high for low, high in zip(self.box_min, self.box_max)):
            raise CellError(
                f'the workspace box from {self.box_min} to {self.box_max} m is empty; box_min '
                'must be below box_max on each axis'
            )
        for axis, low, high in zip('xyz', *self.reachable_box):
            if not low < high:
                raise CellError(
                    f'workspace_min {self.workspace_min} and workspace_max {self.workspace_max} m '
                    f'leave nothing of the workspace box on {axis}: {low:g} to {high:g} m'
                )
