"""The options of a whole cell, which belong to no single node."""

from dataclasses import dataclass

from so101_node.errors import CellError
from so101_node.names import WRIST, check_role
from so101_node.options import Options, option
from so101_node.shared_options import COMMANDS

NO_CAMERA = 'none'  # as the camera of a cell


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
    insecure: bool = option(
        False,
        'true: accept nodes of other hosts without keys; every computer on the network can then '
        'command the arm',
        verbs=COMMANDS,
    )
    learner: bool = option(
        True,
        "false: start no learner; another cell's learner, whose actors:= names this cell, "
        'receives the steps',
        verbs=('train',),
    )
    checkpoint: str = option(
        '',
        'which checkpoint of the run to evaluate: best, latest, a name that ./cell checkpoints '
        'lists, or all, one after another (empty: the best, or the latest if none has '
        'a success rate yet)',
        verbs=('eval',),
    )
    policy: str = option('', 'policy bundle to evaluate instead of a checkpoint', verbs=('eval',))

    def check(self) -> None:
        """Raise CellError for roles that no camera can have."""
        super().check()
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
