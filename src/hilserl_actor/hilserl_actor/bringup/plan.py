"""The plan of a command, as data: nodes, parameters, environment.

The launch files turn a plan into launch_ros actions, `./cell` turns it into supervised processes.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class NodeSpec:
    """One process of the cell."""

    package: str
    executable: str
    parameters: dict[str, Any] = field(default_factory=dict)  # every parameter of the node
    interactive: bool = False  # reads keys from the terminal
    restart: bool = False  # started again if it dies, while the other nodes go on
    optional: bool = False  # the cell goes on without it
    name: str = ''  # of the node, if it is not that of its executable

    @property
    def node(self) -> str:
        """The name of the node."""
        return self.name or self.executable


@dataclass(frozen=True)
class Plan:
    """Everything that a command starts."""

    nodes: tuple[NodeSpec, ...]
    namespace: str
    run_dir: Path
    run_for: float
    environment: dict[str, str]
    screen: bool = False  # the operator node fills the terminal
    note: str = ''  # a sentence for the person at the start
    console: str = ''  # link to the console's page
    results: tuple[Path, ...] = ()  # directories of the evaluations
    simulated: bool = False  # a busy computer may slow the cell down, because no arm waits
    learner_at: str = ''  # address of a learner on another host


# Numerical libraries of the small nodes use one thread.
ENVIRONMENT = {
    'OMP_NUM_THREADS': '1',
    'MUJOCO_GL': 'egl',
    'RCUTILS_CONSOLE_OUTPUT_FORMAT': '{date_time_with_ms} {severity} {name}: {message}',
    'PYTHONUNBUFFERED': '1',
}
