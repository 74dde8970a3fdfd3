"""What a person can tell a whole cell: the options of no single node."""

from dataclasses import dataclass

from so101_node.options import Options, option
from so101_node.shared_options import COMMANDS


@dataclass(frozen=True)
class CellOptions(Options):
    """Options of the commands train, record, eval and preflight."""

    run: str = option(
        '',
        'name of the run: its directory under runs_dir; starting it again resumes it (empty: the '
        "task's name; for record: demos)",
        verbs=COMMANDS,
    )
    runs_dir: str = option('runs', 'directory of the runs', verbs=COMMANDS)
    run_for: float = option(
        0.0,
        'stop in order after so long; 0: until Ctrl-C',
        unit='s',
        low=0.0,
        high=1e9,
        verbs=COMMANDS,
    )
    sim: bool = option(
        True, 'whether a simulated cell stands in for arms and camera', verbs=COMMANDS
    )
    namespace: str = option('', 'ROS namespace; another one makes a second cell', verbs=COMMANDS)
    operator: str = option(
        'auto',
        'who watches and takes over: a scripted stand-in (simulated cell only), a person at this '
        'terminal, or auto: scripted if sim',
        choices=('auto', 'scripted', 'person'),
        verbs=COMMANDS,
    )
    params_file: str = option(
        '',
        'ROS parameter file with options of the nodes (`/**:` and `NODE:` keys); what is said on '
        'the command line goes before it',
        verbs=COMMANDS,
    )
    learner: bool = option(
        True,
        "false: this cell's steps go to another cell's learner, which names this cell in its "
        'actors:=',
        verbs=('train',),
    )
    checkpoint: str = option(
        '',
        'which checkpoint of the run to evaluate: best, latest, a name that ./cell checkpoints '
        'lists, or all, one after another (empty: the best, or the latest as long as none is '
        'judged)',
        verbs=('eval',),
    )
    policy: str = option('', 'policy bundle to evaluate instead of a checkpoint', verbs=('eval',))
