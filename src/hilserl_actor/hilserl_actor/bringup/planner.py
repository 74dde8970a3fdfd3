"""Makes the plan of a command from its arguments. It imports no ROS."""

from dataclasses import replace
import json
import os
from typing import Any

from hilserl_core.contract.kinematics_check import kinematics_options
from hilserl_core.contract.task import require_camera_size
from hilserl_core.policy.other_program import PREFIX, directory_of
from hilserl_core.policy.safetensors_header import detector_metadata, require_bundle
from so101_description.kinematics_config import KinematicsConfig
from so101_driver.bench_file import NONE
from so101_node import names
from so101_node.errors import CellError
from so101_node.foreign_files import expanded
from so101_node.loopback import loopback_environment, require_this_host
from so101_node.names import CAMERA_NODE, WRIST
from so101_node.options import Options, plain_values
from so101_node.run_id import new_run_id

from ..evaluation.selection import PlannedEvaluation, choose
from ..options import ActorOptions, OperatorOptions
from .arguments import Arguments
from .arm_nodes import SIMULATED_PATIENCE, real_nodes, simulated_nodes
from .console_link import VARIABLE, make_link
from .node_table import is_node, node_type
from .options import NEGATIVES, OPERATOR, TOPIC, WITH_KEYS, WORLD
from .person import how_to_drive, teleop_of, uses_scripted_operator
from .plan import ENVIRONMENT, NodeSpec, Plan
from .run_directory import run_directory
from .workspace_check import require_start_inside

EVAL_EPISODES = 50
SIMULATED_KINEMATICS_TIMEOUT = 0.1  # s, times the patience


_ROLES = {'train': 'intervene', 'record': 'demonstrate', 'eval': 'watch'}
DETECTOR, OTHER_POLICY = 'success_detector', 'lerobot_policy'  # nodes
LINK_CLIENT = 'link_client'
_SIZE = ('image_width', 'image_height')


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
        has_learner = self.command != 'train' or self.cell.has_learner
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
        if self.cell.link:
            nodes[LINK_CLIENT] = self._link_client()
            nodes['actor'] = replace(actor, behind_link=True)
        if self.cell.detector:
            nodes[DETECTOR] = self._detector(actor)
        if actor.other_policy:
            nodes[OTHER_POLICY] = self._other_policy(actor, nodes['driver'])
        screen = False
        if self.command != 'preflight':
            if self.operator == 'scripted':
                role = 'near_miss' if self._negatives else _ROLES[actor.role]
                nodes['scripted_operator'] = self._node('scripted_operator', operator_role=role)
            operator: OperatorOptions = self._node('operator', teleop=teleop_of(self.cell))
            nodes['operator'], screen = operator, operator.screen != 'plain'
        console = self._console(actor)
        if console:
            nodes['console'] = console
        if self.command == 'record' and not actor.other_policy:
            self.notes.append(
                how_to_drive(teleop_of(self.cell), actor.has_leader, self.cell.purpose)
            )
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
                restart=name in ('learner', 'console', DETECTOR, LINK_CLIENT),
                optional=name == 'console',
                name=name,
            )
            for name, parameters in values.items()
        )
        link = make_link(console.console_host, console.console_port) if console else ''
        return Plan(
            specs,
            self.cell.namespace,
            self.run_dir,
            self.cell.run_for,
            {name: os.environ.get(name) or value for name, value in ENVIRONMENT.items()}
            | loopback_environment(os.environ)
            | ({VARIABLE: link} if link else {}),
            screen,
            '; '.join(filter(None, self.notes)),
            link,
            tuple(one.directory for one in self.evaluations),
            simulated=self.sim,
            learner_at=self.cell.link,
        )

    def _note_cameras(self, actor: ActorOptions) -> None:
        """Note the topics that other nodes must publish.

        CellError if no such node is meant, or a camera of this cell has images of another size.
        """
        compressed = actor.image_transport == 'compressed'
        own = {names.camera_of(role): role for role in self.cell.roles}
        cameras = actor.schema().cameras
        if compressed and (self.sim or any(camera.name in own for camera in cameras)):
            raise CellError(
                'image_transport:=compressed is for cameras of other nodes; add sim:=false '
                'camera:=none'
            )
        topic = names.COMPRESSED_IMAGE if compressed else names.IMAGE
        for camera in () if self.sim else cameras:
            if camera.name in own:
                node = self._node(names.camera_node_of(own[camera.name]))
                require_camera_size(camera, *node.image_size)
            else:
                self.notes.append(f'another node must publish {topic.format(camera=camera.name)}')

    def _node(self, name: str, **decided: Any) -> Any:
        # The class of the options is found at run time: its package may not be installed.
        return self.arguments.node(name, **decided)

    def _operator(self) -> str:
        if self.cell.operator == 'scripted' and not self.sim:
            raise CellError(
                'operator:=scripted drives the simulated leader only; use '
                'operator:=person with sim:=false'
            )
        if not uses_scripted_operator(self.cell):
            return 'person'
        if self.command == 'eval' and self.cell.reward_source == OPERATOR:
            raise CellError(
                'reward:=operator in an evaluation needs a person; add operator:=person'
            )
        return 'scripted'

    def _patience(self) -> float:
        """Return the factor of the time limits; CellError if one is given to a real cell."""
        for each in () if self.sim else self.arguments.given:
            if each.name == 'patience' and each.value != 1.0:
                raise CellError(
                    f'{each.where}: a real cell keeps its time limits; leave patience out'
                )
        return SIMULATED_PATIENCE if self.sim else 1.0

    def _arms_and_cameras(self, actor: ActorOptions) -> dict[str, Options]:
        if not self.sim:
            return real_nodes(self.arguments)
        # each evaluation starts from the same situations
        situations = actor.episodes if self.evaluations else 0
        return simulated_nodes(self.arguments, actor, self.run_dir, situations)

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
        if self.command == 'record' and self.cell.policy and not self.cell.other_policy:
            raise CellError(
                f'policy:={self.cell.policy}: a person drives a recording, or a policy of another '
                f'program: {PREFIX}DIR; ./cell train pretrained:=FILE goes on with a bundle'
            )
        other = self.cell.other_policy and PREFIX + str(directory_of(self.cell.other_policy))
        actor: ActorOptions = self._node(
            'actor',
            # a policy drives and a person may take over, as in training
            role='train' if other and self.command == 'record' else self.command,
            other_policy=other,
            patience=self._patience(),
            reward_source=OPERATOR if self.cell.reward_source == OPERATOR else TOPIC,
            has_leader=self.sim
            or self.cell.leader == WITH_KEYS
            or bool(self._node('driver').leader_port),
            # A scripted operator does not press the start key in IDLE.
            auto_start=self.operator == 'scripted' and self.command != 'preflight',
            **decided,
        )
        return actor

    def _detector(self, actor: ActorOptions) -> Any:
        """Return the options of the success detector; CellError if its file is none."""
        path = expanded(self.cell.detector).absolute()
        if not path.exists():
            raise CellError(
                f'reward:={self.cell.reward} is neither {WORLD}, {OPERATOR}, {TOPIC} nor a file; '
                './cell reward train makes the file of a success detector'
            )
        require_bundle(path, 'success detector', actor.schema(), detector_metadata)
        if not is_node(DETECTOR):
            raise CellError(f'there is no node {DETECTOR} here; run ./cell setup')
        return self._node(
            DETECTOR,
            detector=str(path),
            image_width=actor.image_width,
            image_height=actor.image_height,
            run_id=actor.run_id,
        )

    def _link_client(self) -> Any:
        """Return the options of the arm's side of the link; CellError if it cannot connect."""
        if not is_node(LINK_CLIENT):
            raise CellError('there is no node link_client here; run ./cell setup')
        self.notes.append(f'the learner is at {self.cell.link}; ./cell learn starts it there')
        return self._node(
            LINK_CLIENT,
            learner_address=self.cell.link,
            without_keys=self.cell.insecure,
            spool_dir=str(self.run_dir / 'link' / (self.cell.namespace.strip('/') or 'cell')),
            **{name: self.shared[name] for name in _SIZE if name in self.shared},
        )

    def _other_policy(self, actor: ActorOptions, driver: Any) -> Any:
        """Return the options of the node that offers a policy of LeRobot."""
        if not is_node(OTHER_POLICY):
            raise CellError(f'there is no node {OTHER_POLICY} here; run ./cell setup')
        return self._node(
            OTHER_POLICY,
            policy_directory=str(directory_of(actor.other_policy)),
            policy_calibration=driver.follower_calibration,
            image_width=actor.image_width,
            image_height=actor.image_height,
        )

    @property
    def _negatives(self) -> bool:
        return self.cell.purpose == NEGATIVES

    def _evaluation(self, actor: ActorOptions) -> ActorOptions:
        actor = replace(actor, episodes=actor.episodes or EVAL_EPISODES)
        self.evaluations, note = choose(
            self.run_dir, self.cell.checkpoint, self.cell.policy, actor.seed, actor.episodes
        )
        for one in self.evaluations:
            if not actor.other_policy:
                require_bundle(one.policy, 'policy', actor.schema())
        self.notes.append(note)
        return replace(
            actor,
            policies=tuple(str(one.policy) for one in self.evaluations),
            results=tuple(str(one.directory) for one in self.evaluations),
        )

    def _learner(self) -> Any:
        learns = self.command == 'record' or (self.command == 'train' and self.cell.has_learner)
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

    def _console(self, actor: ActorOptions) -> Any:
        """Return the options of the console; None: it is not started."""
        if self.command == 'preflight' or not self.cell.console or not is_node('console'):
            return None
        own = [] if self.sim else [names.camera_of(role) for role in self.cell.roles]
        others = [c.name for c in actor.schema().cameras if c.name not in own]
        compressed = actor.image_transport == 'compressed'
        return self._node(
            'console',
            teleop=teleop_of(self.cell),
            shown_cameras=(*([] if compressed else others), *own),
            compressed_cameras=tuple(others) if compressed else (),
        )

    def _kept(self) -> dict[str, Any]:
        """What a resumed run started from: it goes on with the same, if nothing else is given."""
        given = {each.name for each in self.arguments.given if each.reaches('learner')}
        options: Any = node_type('learner').options
        kept: dict[str, Any] = options.kept_settings(self.run_dir, given)
        return kept
