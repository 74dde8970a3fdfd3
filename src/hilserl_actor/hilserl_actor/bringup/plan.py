"""What a run of the cell consists of, as data: nodes, parameters, environment.

Free of ROS imports. The launch files turn it into launch_ros actions, `./cell` into supervised
processes; neither holds a fact of its own.
"""

from dataclasses import dataclass, field
import os
from pathlib import Path
import re

from hilserl_core.contract.kinematics_check import FIELDS
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.exploration import refuse_high_sigma, sigma_schedule
from hilserl_learner.agent.config import agent_config
from hilserl_learner.training.run_directory import refuse_if_in_use
from so101_node.errors import CellError

from ..evaluation.selection import choose
from .arguments import EVAL_EPISODES


@dataclass(frozen=True)
class NodeSpec:
    """One process of the cell."""

    package: str
    executable: str
    parameters: dict = field(default_factory=dict)
    interactive: bool = False  # reads keys from the terminal
    restart: bool = False  # started again if it dies; the others go on meanwhile


@dataclass(frozen=True)
class Plan:
    """Everything that is to be started."""

    nodes: tuple[NodeSpec, ...]
    namespace: str
    run_dir: Path
    run_for: float
    environment: dict
    screen: bool = False  # the operator node wants the terminal for itself
    note: str = ''  # what the person should know at the start


# Discovery stays on this host, numerical libraries of the small nodes stay on one thread.
ENVIRONMENT = {
    'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    'OMP_NUM_THREADS': '1',
    'MUJOCO_GL': 'egl',
    'RCUTILS_CONSOLE_OUTPUT_FORMAT': '{severity} {name}: {message}',
    'PYTHONUNBUFFERED': '1',
}


def make_plan(command: str, values: dict) -> Plan:
    """Turn resolved arguments into nodes. Raises CellError where they do not fit together."""
    run_dir = _run_dir(command, values)
    learns = command == 'record' or (command == 'train' and values['learner'])
    if learns:
        refuse_if_in_use(run_dir)
    sim = values['sim']
    operator = values['operator']
    if operator == 'auto':
        operator = 'scripted' if sim else 'person'
    if operator == 'scripted' and not sim:
        raise CellError(
            'operator:=scripted drives the simulated leader only; use '
            'operator:=person with sim:=false'
        )
    if command == 'train':
        values = values | {'start': _start(values)}
        _check_learning(values)
    evaluations, note = [], ''
    if command == 'eval':
        values = values | {'episodes': values['episodes'] or EVAL_EPISODES}
        evaluations, note = choose(
            run_dir, values['checkpoint'], values['policy'], values['seed'], values['episodes']
        )
    nodes = [
        *_cell(command, values, run_dir, evaluations),
        NodeSpec('so101_description', 'kinematics', _kinematics(values)),
        _actor(command, values, operator, evaluations),
    ]
    if learns:
        nodes.append(_learner(command, values, run_dir))
    if operator == 'scripted' and command != 'preflight':
        nodes.append(
            NodeSpec(
                'so101_sim',
                'scripted_operator',
                {
                    'seed': values['seed'],
                    'role': _ROLES[command],
                    'task': values['task'],
                    'world': values['world'],
                },
            )
        )
    if command != 'preflight':
        nodes.append(
            NodeSpec(
                'hilserl_actor',
                'operator',
                {'screen': values['screen'], 'hand': sim and operator == 'person'},
                interactive=True,
            )
        )
    return Plan(
        tuple(nodes),
        values['namespace'],
        run_dir,
        values['run_for'],
        {name: os.environ.get(name) or value for name, value in ENVIRONMENT.items()},
        values['screen'] != 'plain' and command != 'preflight',
        note,
    )


def _start(values: dict) -> str:
    start, demos, pretrained = values['start'], values['demos'], values['pretrained']
    if start == 'auto':
        start = 'pretrained' if pretrained else 'demos' if demos else 'scratch'
    if start == 'demos' and not demos:
        raise CellError('start:=demos needs demos:=DIRECTORY')
    if start == 'scratch' and demos:
        raise CellError('demos:= goes with start:=demos (or auto), not with start:=scratch')
    if (start == 'pretrained') != bool(pretrained):
        raise CellError('start:=pretrained and pretrained:=FILE go together')
    return start


def _check_learning(values: dict) -> None:
    """CellError for what the learner would refuse: before anything starts."""
    cells = [name.strip().strip('/') for name in values['actors'].split(',') if name.strip()]
    if cells and not values['learner']:
        raise CellError('actors:= is for the cell that has the learner, not with learner:=false')
    if cells and values['namespace'].strip('/') not in cells:
        raise CellError(
            f'actors:={values["actors"]} lacks this cell itself: start it with '
            f'namespace:={cells[0]}'
        )
    updates = values['pretrain_updates']
    if updates != 'auto' and not updates.isdecimal():
        raise CellError(f'pretrain_updates:={updates} is neither auto nor a whole number')
    agent_config(values['algorithm'], values['agent_options'])
    refuse_high_sigma(
        values['start'],
        sigma_schedule(values['start'], values['sigma']),
        values['allow_high_sigma'],
    )


_ROLES = {'train': 'intervene', 'record': 'demonstrate', 'eval': 'watch'}


def _run_dir(command: str, values: dict) -> Path:
    name = values['run'] or ('demos' if command == 'record' else values['task'])
    if not re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9._-]*', name):
        raise CellError(f'run:={name} is not a name: letters, digits, . _ - only')
    return Path(values['runs_dir']).expanduser().absolute() / name


def _cell(command: str, values: dict, run_dir: Path, evaluations) -> list[NodeSpec]:
    driver = {
        f'{arm}_{what}': values[f'{arm}_{what}']
        for arm in ('follower', 'leader')
        for what in ('port', 'calibration')
    }
    if not values['sim']:
        for name in ('follower_port', 'follower_calibration'):
            if not driver[name]:
                raise CellError(f'sim:=false needs {name}:=...')
        return [
            NodeSpec('so101_driver', 'driver', driver),
            NodeSpec(
                'so101_driver',
                'camera',
                {
                    'device': values['camera_device'],
                    'calibration': values['camera_calibration'],
                    **{name.removeprefix('image_'): v for name, v in _image(False).items()},
                },
            ),
        ]
    real_only = driver | {'camera_calibration': values['camera_calibration']}
    given = sorted(name for name, value in real_only.items() if value)
    if given:
        raise CellError(f'{given[0]} is for the real cell: add sim:=false')
    from so101_sim import calibration_path
    from so101_sim.worlds import find_world

    ports = run_dir / f'sim-{command}' / values['namespace'].strip('/')
    for arm in ('follower', 'leader'):
        driver[f'{arm}_port'] = str(ports / arm)
        driver[f'{arm}_calibration'] = str(calibration_path(arm))
    # An emulated servo shares two cores with all the rest; a real one answers in 1 ms.
    driver['answer_timeout'] = 0.01
    find_world(values['world'])
    world = {
        'seed': values['seed'],
        'task': values['task'],
        'world': values['world'],
        **_image(True),
        'follower_port': driver['follower_port'],
        'leader_port': driver['leader_port'],
    }
    if evaluations:  # each of them sees the same situations
        world['situations'] = values['episodes']
    return [NodeSpec('so101_sim', 'world', world), NodeSpec('so101_driver', 'driver', driver)]


def _image(sim: bool) -> dict:
    # Rendering 640x480 on a CPU costs more than learning from it; a robot's camera is free.
    width, height = (160, 120) if sim else (640, 480)
    return {'image_width': width, 'image_height': height}


def _task(values: dict) -> dict:
    return {
        'task': values['task'],
        **_image(values['sim']),
        'rate': values['rate'],
        'frame_size': values['frame_size'],
    }


def _kinematics(values: dict) -> dict:
    task = make_task(values['task'], '', rate=values['rate'], frame_size=values['frame_size'])
    values = {name: getattr(task, name) for name in FIELDS}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _actor(command, values, operator, evaluations) -> NodeSpec:
    sim = values['sim']
    parameters = {
        **_task(values),
        'seed': values['seed'],
        'role': command,
        'reward': 'topic' if sim else 'operator',
        'leader': sim or bool(values['leader_port']),
        # A scripted operator cannot press a key before it is asked to.
        'auto_start': operator == 'scripted' and command != 'preflight',
    }
    if command == 'eval':
        parameters |= {
            'policy': ','.join(str(one.policy) for one in evaluations),
            'results': ','.join(str(one.directory) for one in evaluations),
            'keep': values['keep'],
            'world': values['world'] if sim else 'real',
        }
    else:
        parameters['start'] = values.get('start', 'scratch')
        parameters['sigma'] = values.get('sigma', '')
    parameters |= {name: values[name] for name in ('episodes', 'ready_time') if name in values}
    return NodeSpec('hilserl_actor', 'actor', parameters)


def _learner(command, values, run_dir) -> NodeSpec:
    parameters = {
        'run_dir': str(run_dir),
        'seed': values['seed'],
        **_task(values),
        'world': values['world'] if values['sim'] else 'real',
    }
    if command == 'record':
        parameters['update_ratio'] = 0.0
    else:
        parameters.update(
            {
                name: values[name]
                for name in (
                    'start',
                    'demos',
                    'unlabelled',
                    'actors',
                    'pretrained',
                    'update_ratio',
                    'device',
                    'algorithm',
                    'agent_options',
                    'encoder',
                    'sigma',
                    'allow_high_sigma',
                )
            }
        )
        if values['pretrain_updates'] != 'auto':
            parameters['pretrain_updates'] = int(values['pretrain_updates'])
    return NodeSpec('hilserl_learner', 'learner', parameters, restart=True)
