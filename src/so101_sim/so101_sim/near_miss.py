"""Imitates an attempt that looks like a success and is none, for the negatives of a detector.

Two kinds take turns: the hand closes on nothing beside the cube and comes up, or it lifts the cube
by half of what the task asks for. A task without a lift has only the first kind.
"""

from dataclasses import replace

import numpy as np

from hilserl_core.contract.scene_file import Lifted, Simulation
from so101_description.joints import GRIPPER_CLOSED, Floats

from .expert import Expert, OperatorConfig, Phase

BESIDE = (0.035, 0.055)  # m from the cube to the place where the hand closes on nothing
_FIRM = GRIPPER_CLOSED + 0.2  # rad, the angle of a gripper that holds something
_ARRIVED = 0.01  # m from the height of the lift


def low_lift(simulation: Simulation) -> float:
    """Return half of the height by which the task wants its cube lifted, m; 0: it does not."""
    lifts = [each.by for each in simulation.success if isinstance(each, Lifted)]
    return 0.5 * min(lifts) if lifts else 0.0


class NearMiss(Expert):
    """One attempt. low: m by which the cube is lifted; 0: the hand closes beside it."""

    def __init__(self, config: OperatorConfig, rng: np.random.Generator, low: float):
        lift = config.grasp + low if low else config.lift
        super().__init__(replace(config, puts=False, lift=lift), rng)
        self._low = low
        angle, distance = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(*BESIDE)
        self._away = distance * np.array([np.cos(angle), np.sin(angle), 0.0])

    def desired_velocity(
        self,
        now: float,
        tool: Floats,
        gripper: float,
        cube: Floats,
        target: Floats | None = None,
        forward: Floats | None = None,
        across: Floats | None = None,
    ) -> tuple[Floats, float]:
        """Return the desired velocity as an `Expert` that is mistaken about cube and grip."""
        if not self._low:
            closes = self.phase in (Phase.CLOSE, Phase.LIFT)
            gripper = max(gripper, _FIRM) if closes else gripper
            cube = self._held(tool, forward) if closes else cube + self._away
        return super().desired_velocity(now, tool, gripper, cube, target, forward, across)

    def is_over(self, tool: Floats) -> bool:
        """Whether the hand has come up. tool: (3,) m."""
        return self.phase is Phase.LIFT and abs(tool[2] - self.config.lift) < _ARRIVED

    def _held(self, tool: Floats, forward: Floats | None) -> Floats:
        """Return the position (3,) m of a cube that is not there and comes up with the hand."""
        direction = self.forward(tool) if forward is None else forward
        held: Floats = tool + self.config.grasp_offset * np.append(direction, 0.0)
        return held
