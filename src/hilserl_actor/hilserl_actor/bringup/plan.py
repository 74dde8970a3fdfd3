"""The plan of a command, as data: nodes, parameters, environment.

It imports no ROS. The launch files turn a plan into launch_ros actions, `./cell` turns it into
supervised processes.
"""

from dataclasses import dataclass, field, replace
import json
import os
from pathlib import Path
from typing import Any

from hilserl_core.contract.kinematics_check import kinematics_options
from hilserl_core.policy.safetensors_header import require_bundle
from so101_description.kinematics_config import KinematicsConfig
from so101_driver.bench_file import NONE
from so101_node import names
from so101_node.errors import CellError
from so101_node.loopback import loopback_environment, require_this_host
from so101_node.names import CAMERA_NODE, WRIST, camera_node_of
from so101_node.options import Options, plain_values
from so101_node.run_id import new_run_id

from ..evaluation.selection import PlannedEvaluation, choose
from ..options import ActorOptions, OperatorOptions
from .arguments import Arguments
from .hardware_check import require_hardware
from .node_table import node_type
from .person import how_to_drive, teleop_of, uses_scripted_operator
from .run_directory import run_directory
from .workspace_check import require_start_inside

EVAL_EPISODES = 50
SIMULATED_KINEMATICS_TIMEOUT = 0.1  # s, times the patience
SIMULATED_PATIENCE = 10.0  # an answer may take 0.1 s, an image may be 2 s old, and so on


@dataclass(frozen=True)
class NodeSpec:
    """One process of the cell."""

    package: str
    executable: str
    parameters: dict[str, Any] = field(default_factory=dict)  # every parameter of the node
    interactive: bool = False  # reads keys from the terminal
    restart: bool = False  # started again if it dies, while the other nodes go on
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
    results: tuple[Path, ...] = ()  # directories of the evaluations
    simulated: bool = False  # a busy computer may slow the cell down, because no arm waits


# Numerical libraries of the small nodes use one thread.
ENVIRONMENT = {
    'OMP_NUM_THREADS': '1',
    'MUJOCO_GL': 'egl',
    'RCUTILS_CONSOLE_OUTPUT_FORMAT': '{date_time_with_ms} {severity} {name}: {message}',
    'PYTHONUNBUFFERED': '1',
}


_ROLES = {'train': 'intervene', 'record': 'demonstrate', 'eval': 'watch'}


def make_plan(arguments: Arguments) -> Plan:
    """Turn arguments into a plan. Raises CellError if they contradict each other."""
    return _Planner(arguments).plan()


class _Planner:
    """Builds the plan of one command."""

    def __init__(self, arguments: Arguments):
        self.arguments, self.command, self.cell = (
            arguments,
            arguments.command,
            arguments.cell,
        )
        self.sim = self.cell.sim
        self.operator = self._operator()
        # The task crops the camera's images, so it needs their size.
        self.shared: dict[str, Any] = {}
        if not self.sim:
            width, height = self._node(CAMERA_NODE).image_size
            self.shared = {'image_width': width, 'image_height': height, 'world': 'real'}
        elif self.cell.camera != (WRIST,):
            raise CellError(
                f'camera:={",".join(self.cell.camera)} is for the real cell; add sim:=false'
            )
        self.evaluations: list[PlannedEvaluation] = []
        self.notes: list[str] = []
        if not self.sim and self.cell.bench not in ('', NONE):
            self.notes.append(f'values of the bench are from {self.cell.bench}')
        # A cell whose learner is another cell's takes the run id of that learner.
        has_learner = self.command != 'train' or self.cell.learner
        self.run_id = new_run_id() if has_learner else ''

    def plan(self) -> Plan:
        """Return the complete plan."""
        require_this_host(os.environ, self.cell.insecure)
        actor = self._actor()
        self._note_cameras(actor)
        self.run_dir = run_directory(self.arguments, actor.task)
        if self.command != 'preflight':
            self.notes.append(f'the run is in {self.run_dir}')
        learner = self._learner()
        if learner:  # its start mode depends on demonstrations and policies on disk
            actor = replace(
                actor,
                start=learner.start_mode,
                sigma=actor.sigma or learner.sigma,
                allow_high_sigma=actor.allow_high_sigma or learner.allow_high_sigma,
            )
        if self.command == 'eval':
            actor = self._evaluation(actor)
        nodes: dict[str, Options] = {
            **self._arms_and_cameras(actor),
            'kinematics': self._kinematics(actor),
            'actor': actor,
        }
        if learner:
            nodes['learner'] = learner
        screen = False
        if self.command != 'preflight':
            if self.operator == 'scripted':
                nodes['scripted_operator'] = self._node(
                    'scripted_operator', operator_role=_ROLES[self.command]
                )
            operator: OperatorOptions = self._node('operator', teleop=teleop_of(self.cell))
            nodes['operator'], screen = operator, operator.screen != 'plain'
        if self.command == 'record':
            self.notes.append(how_to_drive(teleop_of(self.cell), actor.has_leader))
        self.arguments.require_use(nodes)
        values = {name: plain_values(options) for name, options in nodes.items()}
        if learner:  # for run.yaml
            values['learner']['cell_options'] = json.dumps(
                {'command': self.command, 'cell': plain_values(self.cell), **values}
            )
        specs = tuple(
            NodeSpec(
                node_type(name).package,
                node_type(name).executable,
                parameters,
                interactive=name == 'operator',
                restart=name == 'learner',
                name=name,
            )
            for name, parameters in values.items()
        )
        return Plan(
            specs,
            self.cell.namespace,
            self.run_dir,
            self.cell.run_for,
            {name: os.environ.get(name) or value for name, value in ENVIRONMENT.items()}
            | loopback_environment(os.environ),
            screen,
            '; '.join(filter(None, self.notes)),
            tuple(one.directory for one in self.evaluations),
            simulated=self.sim,
        )

    def _note_cameras(self, actor: ActorOptions) -> None:
        """Note the topic that another node must publish; CellError if no such node is meant."""
        compressed = actor.image_transport == 'compressed'
        if self.sim or WRIST in self.cell.roles:
            if compressed:
                raise CellError(
                    'image_transport:=compressed is for cameras of other nodes; add sim:=false '
                    'camera:=none'
                )
            return
        topic = names.COMPRESSED_IMAGE if compressed else names.IMAGE
        self.notes.append(f'another node must publish {topic.format(camera=names.WRIST_CAMERA)}')

    def _node(self, name: str, **decided: Any) -> Any:
        # The class of the options is found at run time: its package may not be installed.
        return self.arguments.node(name, **decided)

    def _operator(self) -> str:
        if self.cell.operator == 'scripted' and not self.sim:
            raise CellError(
                'operator:=scripted drives the simulated leader only; use '
                'operator:=person with sim:=false'
            )
        return 'scripted' if uses_scripted_operator(self.cell) else 'person'

    def _patience(self) -> float:
        """Return the factor of the time limits; CellError if one is given to a real cell."""
        for each in () if self.sim else self.arguments.given:
            if each.name == 'patience' and each.value != 1.0:
                raise CellError(
                    f'{each.where}: a real cell keeps its time limits; leave patience out'
                )
        return SIMULATED_PATIENCE if self.sim else 1.0

    def _arms_and_cameras(self, actor: ActorOptions) -> dict[str, Options]:
        """Return driver and cameras of the real cell, or world and driver of the simulated one."""
        if not self.sim:
            driver = self._node('driver')
            for name in ('follower_port', 'follower_calibration'):
                if not getattr(driver, name):
                    raise CellError(
                        f'sim:=false needs {name}:=...; ./cell find writes it into bench.yaml'
                    )
            cameras = self._cameras()
            if self.command == 'preflight':
                require_hardware(self.arguments, driver, cameras)
            return {'driver': driver, **cameras}
        from so101_sim import calibration_path

        directory = self.run_dir / f'sim-{self.command}' / self.cell.namespace.strip('/')
        decided: dict[str, Any] = {
            f'{arm}_port': str(directory / arm) for arm in ('follower', 'leader')
        }
        # Each evaluation starts from the same situations.
        world = self._node(
            'world',
            **decided,
            situations=actor.episodes if self.evaluations else 0,
            patience=SIMULATED_PATIENCE,
            run_id=actor.run_id,
        )
        # An emulated servo shares the processors with all nodes; a real one answers in 1 ms. On a
        # busy computer the world starts slowly; if it ends, the whole cell ends.
        driver = self._node(
            'driver',
            **decided,
            answer_timeout=0.01,
            port_wait=86400.0,
            patience=SIMULATED_PATIENCE,
            **{f'{arm}_calibration': calibration_path(arm) for arm in ('follower', 'leader')},
        )
        for name in ('follower_port', 'leader_port', 'follower_calibration', 'leader_calibration'):
            for each in self.arguments.given:
                # The driver of a simulated cell must never open the port of a real arm.
                if each.name == name and each.reaches('driver'):
                    raise CellError(f'{each.where}: {name} is for the real cell; add sim:=false')
        return {'world': world, 'driver': driver}

    def _cameras(self) -> dict[str, Options]:
        """Return the camera nodes; CellError if two of them have the same camera."""
        found: dict[str, Any] = {}
        devices: dict[str, str] = {}
        for role in self.cell.roles:
            name = camera_node_of(role)
            camera = found[name] = self._node(name, camera_role=role)
            if camera.camera_role != role:
                raise CellError(
                    f'camera_role:={camera.camera_role}: the roles are given by camera:='
                )
            other = devices.setdefault(os.path.realpath(camera.device_path), name)
            if other != name:
                raise CellError(
                    f'{other} and {name} have the same camera {camera.device_path}; set '
                    f'{name}.camera_device:=...'
                )
        return found

    def _kinematics(self, actor: ActorOptions) -> Options:
        task = actor.schema()
        options: KinematicsConfig = self._node('kinematics', **kinematics_options(task))
        require_start_inside(task, options)
        return options

    def _actor(self) -> ActorOptions:
        decided = self.shared | {'run_id': self.run_id}
        if self.command == 'eval':
            decided['episodes'] = EVAL_EPISODES
        if self.sim:  # without an answer the step is lost, and no arm waits for it
            decided['kinematics_timeout'] = SIMULATED_KINEMATICS_TIMEOUT
        actor: ActorOptions = self._node(
            'actor',
            role=self.command,
            patience=self._patience(),
            reward='topic' if self.sim else 'operator',
            has_leader=self.sim or bool(self._node('driver').leader_port),
            # A scripted operator does not press the start key in IDLE.
            auto_start=self.operator == 'scripted' and self.command != 'preflight',
            **decided,
        )
        return actor

    def _evaluation(self, actor: ActorOptions) -> ActorOptions:
        actor = replace(actor, episodes=actor.episodes or EVAL_EPISODES)
        self.evaluations, note = choose(
            self.run_dir, self.cell.checkpoint, self.cell.policy, actor.seed, actor.episodes
        )
        for one in self.evaluations:
            require_bundle(one.policy, 'policy', actor.schema())
        self.notes.append(note)
        return replace(
            actor,
            policies=tuple(str(one.policy) for one in self.evaluations),
            results=tuple(str(one.directory) for one in self.evaluations),
        )

    def _learner(self) -> Any:
        learns = self.command == 'record' or (self.command == 'train' and self.cell.learner)
        if not learns:
            return None
        decided = self.shared | {'run_id': self.run_id}
        if self.command == 'record':
            decided['update_ratio'] = 0.0
        else:
            decided |= self._kept()
        learner = self._node('learner', run_dir=str(self.run_dir), **decided)
        cells = [name.strip('/') for name in learner.actors]
        if cells and self.cell.namespace.strip('/') not in cells:
            raise CellError(
                f'actors:={",".join(learner.actors)} lacks this cell itself: start it '
                f'with namespace:={cells[0]}'
            )
        learner.require_startable()
        return replace(learner, start=learner.start_mode)

    def _kept(self) -> dict[str, Any]:
        """What a resumed run started from: it goes on with the same, if nothing else is given."""
        given = {each.name for each in self.arguments.given if each.reaches('learner')}
        options: Any = node_type('learner').options
        kept: dict[str, Any] = options.kept_settings(self.run_dir, given)
        return kept
