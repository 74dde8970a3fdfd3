"""The arguments of every command, `name:=value`, for `ros2 launch` and for `./cell` alike."""

from dataclasses import dataclass

from hilserl_core.contract.tasks import FRAME_SIZE, RATE, TASKS
from so101_node.errors import CellError

COMMANDS = ('train', 'record', 'eval', 'preflight')


@dataclass(frozen=True)
class Argument:
    """One `name:=value` of `ros2 launch` and of `./cell`."""

    name: str
    default: str
    description: str
    kind: type = str
    choices: tuple[str, ...] = ()
    commands: tuple[str, ...] = COMMANDS


_BOOL = ('true', 'false')
EVAL_EPISODES = 50

ARGUMENTS = (
    Argument(
        'run',
        '',
        'name of the run: its directory under runs_dir; starting it again '
        "resumes it (default: the task's name; for record: demos)",
    ),
    Argument('runs_dir', 'runs', 'where runs live'),
    Argument('run_for', '0', 'stop in order after so many seconds; 0: until Ctrl-C', float),
    Argument('sim', 'true', 'simulated cell instead of arms and camera', bool, _BOOL),
    Argument(
        'world',
        'plain',
        'in which ways the simulated cell is less than ideal: plain, hard, shifted',
    ),
    Argument('task', 'grasp_lift', 'what is to be learned', str, tuple(TASKS)),
    Argument(
        'rate',
        f'{RATE:g}',
        'control steps a second; speeds and the 10 s of an episode stay as they are',
        float,
    ),
    Argument(
        'frame_size',
        str(FRAME_SIZE),
        'height and width of the frames that are stored and learned from, pixels',
        int,
    ),
    Argument('namespace', '', 'ROS namespace; another one makes a second cell'),
    Argument(
        'operator',
        'auto',
        'who watches and takes over: a scripted stand-in (simulated cell '
        'only), a person at this terminal, or auto: scripted if sim',
        str,
        ('auto', 'scripted', 'person'),
    ),
    Argument(
        'screen',
        'auto',
        "auto: one screen on a terminal, the nodes' output in "
        'RUN/log/; plain: everything as lines; spoken: sentences on what changes, for a '
        'screen reader',
        str,
        ('auto', 'plain', 'spoken'),
    ),
    Argument('seed', '0', 'of the networks, the exploration noise and the simulated world', int),
    Argument(
        'start',
        'auto',
        'what the policy starts from; sets the exploration noise (auto: '
        'pretrained or demos if given, else scratch)',
        str,
        ('auto', 'scratch', 'demos', 'pretrained'),
        ('train',),
    ),
    Argument(
        'demos', '', 'directories of demonstration bags, separated by commas', str, (), ('train',)
    ),
    Argument(
        'unlabelled',
        'refuse',
        'demonstrations of which nobody said how they came out: a '
        'reason not to start, or left out',
        str,
        ('refuse', 'exclude'),
        ('train',),
    ),
    Argument(
        'learner',
        'true',
        "false: this cell's steps go to another one's learner, which "
        'names this cell in its actors:=',
        bool,
        _BOOL,
        ('train',),
    ),
    Argument(
        'actors',
        '',
        "namespaces of the cells that this one's learner serves, separated by "
        "commas, this one's among them (default: this one)",
        str,
        (),
        ('train',),
    ),
    Argument(
        'pretrained',
        '',
        'a checkpoint (directory) or policy bundle (file) to start from (start:=pretrained)',
        str,
        (),
        ('train',),
    ),
    Argument(
        'algorithm',
        'cell',
        'cell: what learns best in the simulated cell; drqv2: as published',
        str,
        ('cell', 'drqv2'),
        ('train',),
    ),
    Argument(
        'agent_options',
        '',
        'numbers of the algorithm to change, "discount=0.99 '
        'frame_stack=3"; a wrong name lists them all',
        str,
        (),
        ('train',),
    ),
    Argument(
        'encoder',
        '',
        'a policy bundle whose encoder is taken and kept as it is',
        str,
        (),
        ('train',),
    ),
    Argument(
        'sigma',
        '',
        "exploration noise instead of start's: linear(from,to,steps) or a number",
        str,
        (),
        ('train',),
    ),
    Argument(
        'allow_high_sigma',
        'false',
        'let noise above 0.3 hide what a pretrained policy can do',
        bool,
        _BOOL,
        ('train',),
    ),
    Argument(
        'pretrain_updates',
        'auto',
        'updates on demonstrations before the first step (auto: the preset of start)',
        str,
        (),
        ('train',),
    ),
    Argument('update_ratio', '1.0', 'learner updates per step to hold', float, (), ('train',)),
    Argument('device', 'cpu', 'where the learner computes', str, ('cpu', 'cuda'), ('train',)),
    Argument(
        'episodes',
        '0',
        f'stop after so many finished episodes; 0: no limit (eval: {EVAL_EPISODES})',
        int,
        (),
        ('train', 'record', 'eval'),
    ),
    Argument(
        'ready_time',
        '0',
        'seconds at the start pose after which an episode starts by itself; 0: it waits for you',
        float,
        (),
        ('train', 'record', 'eval'),
    ),
    Argument(
        'checkpoint',
        '',
        'which checkpoint of the run to evaluate: best, latest, a name '
        'that ./cell checkpoints lists, or all, one after another (default: the best, or the '
        'latest as long as none is judged)',
        str,
        (),
        ('eval',),
    ),
    Argument(
        'policy', '', 'policy bundle to evaluate instead of a checkpoint', str, (), ('eval',)
    ),
    Argument(
        'keep',
        'failures',
        'which evaluated episodes leave a bag',
        str,
        ('failures', 'all'),
        ('eval',),
    ),
    Argument('follower_port', '', 'serial port of the follower arm (/dev/serial/by-id/...)'),
    Argument('leader_port', '', 'serial port of the leader arm'),
    Argument('follower_calibration', '', 'LeRobot calibration file of the follower'),
    Argument('leader_calibration', '', 'LeRobot calibration file of the leader'),
    Argument('camera_device', '/dev/video0', 'the wrist camera'),
    Argument('camera_calibration', '', 'its calibration, as camera_calibration writes it (YAML)'),
)


def arguments(command: str) -> tuple[Argument, ...]:
    """Return the arguments that `command` takes."""
    return tuple(a for a in ARGUMENTS if command in a.commands)


def resolve(command: str, given: dict[str, str]) -> dict:
    """Check `given` strings against the arguments of `command`; returns typed values.

    Raises CellError naming the first argument that is unknown or not allowed.
    """
    table = {a.name: a for a in arguments(command)}
    for name in given:
        if name not in table:
            raise CellError(
                f'{command} has no argument {name}; it takes: ' + ', '.join(sorted(table))
            )
    return {name: _typed(a, given.get(name, a.default)) for name, a in table.items()}


def parse(command: str, words: list[str]) -> dict:
    """`resolve` for words of the form name:=value."""
    given = {}
    for word in words:
        name, separator, value = word.partition(':=')
        if not separator or not name:
            raise CellError(f'{word!r} is not of the form name:=value')
        given[name] = value
    return resolve(command, given)


def _typed(argument: Argument, text: str):
    if argument.choices and text not in argument.choices:
        raise CellError(f'{argument.name}:={text} is not one of {", ".join(argument.choices)}')
    if argument.kind is bool:
        return text == 'true'
    try:
        value = argument.kind(text)
    except ValueError:
        raise CellError(
            f'{argument.name}:={text} is not '
            f'{"a whole number" if argument.kind is int else "a number"}'
        ) from None
    if argument.kind in (int, float) and not 0 <= value < 1e9:
        raise CellError(f'{argument.name}:={text} is out of range: 0 or more')
    return value
