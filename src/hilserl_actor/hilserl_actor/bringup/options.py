"""The options of a whole cell, which belong to no single node."""

from dataclasses import dataclass

from hilserl_core.policy.other_program import is_other
from so101_node.errors import CellError
from so101_node.names import WRIST, check_role
from so101_node.options import Options, option
from so101_node.shared_options import COMMANDS

NO_CAMERA = 'none'  # as the camera of a cell
WORLD, OPERATOR, TOPIC = 'world', 'operator', 'topic'  # reward sources that are no file
ARM, WITH_KEYS = 'arm', 'keys'  # what a person moves
DEMONSTRATIONS, NEGATIVES = PURPOSES = ('demonstrations', 'negatives')


@dataclass(frozen=True)
class CellOptions(Options):
    """Options of the commands train, record, eval and preflight."""

    run: str = option(
        '',
        'name of the run: its directory under runs_dir; starting it again resumes it (empty: the '
        "task's name; for record: demos)",
        verbs=COMMANDS,
    )
    runs_dir: str = option(
        'runs',
        'directory of the runs; a relative one begins where the command is given',
        verbs=COMMANDS,
    )
    run_for: float = option(
        0.0,
        'stop the cell after this time, in the simulated cell from the end of its start; 0: run '
        'until Ctrl-C (in a first session of the simulated cell: length of the training alone, '
        '180 if it is not given)',
        unit='s',
        low=0.0,
        high=1e9,
        verbs=COMMANDS,
    )
    sim: bool = option(
        True, 'true: simulate arms and camera; false: use real ones', verbs=COMMANDS
    )
    camera: tuple[str, ...] = option(
        (WRIST,),
        'cameras that a real cell starts, by role, separated by commas; the task uses wrist, and '
        'others are nodes ROLE_camera; none: other nodes publish the images',
        verbs=COMMANDS,
    )
    namespace: str = option('', 'ROS namespace; a second cell needs another one', verbs=COMMANDS)
    operator: str = option(
        'auto',
        'who watches and takes over: scripted (simulated cell only), a person at this terminal, '
        'or auto (scripted in the simulated cell, else a person)',
        choices=('auto', 'scripted', 'person'),
        verbs=COMMANDS,
    )
    leader: str = option(
        ARM,
        'what a person moves in a real cell: arm (the leader arm at leader_port), or keys (no '
        'leader arm: the keys of the terminal, and keys, gamepad and touch of the console)',
        choices=(ARM, WITH_KEYS),
        verbs=('train', 'record'),
    )
    bench: str = option(
        '',
        'bench file with ports, calibrations, supplies and cameras of a real cell; none: no file '
        '(empty: bench.yaml in this directory, if there is one)',
        verbs=COMMANDS,
    )
    params_file: str = option(
        '',
        'ROS parameter file with options of the nodes (`/**:` and `NODE:` keys); the '
        'command line overrides it',
        verbs=COMMANDS,
    )
    reward: str = option(
        '',
        'who gives the reward: world (simulated cell), operator (only the keys), topic (another '
        'node publishes hilserl/reward), or the file of a success detector, made by ./cell reward '
        'train (empty: world in the simulated cell, else operator)',
        verbs=COMMANDS,
    )
    purpose: str = option(
        DEMONSTRATIONS,
        'what is recorded: demonstrations, or negatives, which look like a success and are none: '
        'a success detector learns from them',
        choices=PURPOSES,
        verbs=('record',),
    )
    insecure: bool = option(
        False,
        'true: accept nodes of other hosts without keys; every computer on the network can then '
        'command the arm',
        verbs=COMMANDS,
    )
    console: bool = option(
        True,
        'whether to serve a page that shows and steers the cell to browsers on this computer; '
        'its link is printed',
        verbs=('train', 'record', 'eval'),
    )
    learner: bool = option(
        True,
        "false: start no learner; another cell's learner, whose actors:= names this cell, "
        'receives the steps',
        verbs=('train',),
    )
    link: str = option(
        '',
        "address of the learner's host, HOST or HOST:PORT: no learner is started here, and "
        './cell learn runs there; ./cell act sets it',
        verbs=('train',),
    )
    checkpoint: str = option(
        '',
        'which checkpoint of the run to evaluate: best, latest, a name that ./cell checkpoints '
        'lists, or all, one after another (empty: the best, or the latest if none has '
        'a success rate yet)',
        verbs=('eval',),
    )
    policy: str = option(
        '',
        'policy that drives: eval: a policy bundle instead of a checkpoint, or lerobot:DIR, a '
        'policy of LeRobot; record: lerobot:DIR, which a person corrects (empty: the person '
        'drives)',
        verbs=('record', 'eval'),
    )

    @property
    def other_policy(self) -> str:
        """`policy`, if it is one of another program; else ''."""
        return self.policy if is_other(self.policy) else ''

    @property
    def has_learner(self) -> bool:
        """Whether a training starts a learner here."""
        return self.learner and not self.link

    @property
    def reward_source(self) -> str:
        """Who gives the reward: WORLD, OPERATOR, TOPIC, or the path of a success detector."""
        return self.reward or (WORLD if self.sim else OPERATOR)

    @property
    def detector(self) -> str:
        """The path of the success detector that gives the reward; '': none does."""
        source = self.reward_source
        return '' if source in (WORLD, OPERATOR, TOPIC) else source

    def check(self) -> None:
        """Raise CellError for roles that no camera can have, and for a world that is not there."""
        super().check()
        if self.reward == WORLD and not self.sim:
            raise CellError('reward:=world is for the simulated cell; use operator, topic or FILE')
        if self.policy and self.purpose == NEGATIVES:
            raise CellError('purpose:=negatives are driven by a person; leave policy:= out')
        given = f'camera:={",".join(self.camera)}'
        if NO_CAMERA in self.camera and len(self.camera) > 1:
            raise CellError(f'{given}: {NO_CAMERA} goes with no role')
        if len(set(self.camera)) < len(self.camera):
            raise CellError(f'{given}: a role is there twice')
        for role in self.roles:
            check_role('camera', role)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the cameras to start."""
        return () if self.camera == (NO_CAMERA,) else self.camera
