"""The first `./cell train` of the simulated cell: it ends with a policy that works.

Without a run and without demonstrations, a policy would have to explore from nothing. So the
scripted operator demonstrates first, or with operator:=person a person at the page of the console;
the policy then learns from the demonstrations and from practice, and at the end it tries new
situations alone. Each part is an ordinary command, and is shown. `start:=scratch` trains without
demonstrations.
"""

from dataclasses import dataclass
from pathlib import Path

from .arguments import Arguments
from .next_command import carried_words, shown_path
from .person import uses_scripted_operator
from .run_directory import run_directory

DEMONSTRATIONS, BY_HAND = 20, 10  # by the scripted operator, by a person
TRIALS, TRIALS_AFTER_HAND = 20, 10  # situations in which the policy is alone at the end
TRAINING_TIME = 180.0  # s of training, if run_for:= is not given
# A person starts the cell once; then the episodes follow each other.
PRACTICE = 'ready_time:=2'


@dataclass(frozen=True)
class Stage:
    """One command of the session, and a sentence on it."""

    sentence: str
    command: str
    words: list[str]


def stages(arguments: Arguments, words: list[str]) -> list[Stage]:
    """Return the commands of a first session; [] if this command is none."""
    if not _is_first(arguments):
        return []
    run_dir = _run_dir(arguments)
    demos = run_dir.with_name(f'{run_dir.name}-demos')
    by_hand = not uses_scripted_operator(arguments.cell)
    missing = (BY_HAND if by_hand else DEMONSTRATIONS) - _usable(demos / 'bags')
    trials = TRIALS_AFTER_HAND if by_hand else TRIALS
    given = {word.partition(':=')[0].rpartition('.')[2] for word in words}
    name = f'run:={run_dir.name}'
    practice = [] if 'run_for' in given else [f'run_for:={TRAINING_TIME:g}']
    if by_hand and 'ready_time' not in given:
        practice.append(PRACTICE)
    seed = [word for word in words if word.startswith('seed:=')]
    record = [f'run:={demos.name}', f'episodes:={missing}', *seed]
    found = [
        Stage(
            f'you demonstrate {missing} times, on the page or with the keys of this terminal'
            if by_hand
            else f'the scripted operator demonstrates {missing} times, about 5 s each',
            'record',
            [*record, *carried_words('record', words)],
        ),
        Stage(
            'the policy learns from the demonstrations, then practises, with help where it fails',
            'train',
            [*words, *([] if 'run' in given else [name]), *_demos(demos), *practice],
        ),
        Stage(
            f'the policy tries {trials} new situations alone, about 8 s each',
            'eval',
            [name, f'episodes:={trials}', *_alone(carried_words('eval', words))],
        ),
    ]
    return found if missing > 0 else found[1:]


def _demos(demos: Path) -> list[str]:
    return [f'demos:={shown_path(demos / "bags")}']


def _alone(words: list[str]) -> list[str]:
    """Nobody drives in an evaluation: the scripted operator only starts the episodes."""
    return [word for word in words if not word.startswith('operator:=')]


def _is_first(arguments: Arguments) -> bool:
    """Whether a person would have to demonstrate first: nothing was given or learned yet."""
    cell = arguments.cell
    if arguments.command != 'train' or not cell.has_learner or not cell.sim:
        return False
    learner = arguments.node('learner')
    return (
        learner.start == 'auto'
        and not (learner.demos or learner.pretrained or learner.actors)
        and learner.update_ratio > 0.0
        and not (_run_dir(arguments) / 'run.yaml').exists()
    )


def _run_dir(arguments: Arguments) -> Path:
    return run_directory(arguments, arguments.node('actor').task)


def _usable(bags: Path) -> int:
    """Demonstrations that an interrupted session has recorded already."""
    if not bags.is_dir():
        return 0
    from hilserl_core.bags.episode_list import counts, episodes_by_time, row_of  # it takes time

    found = episodes_by_time(bags, lambda _: None)
    return sum(counts(row_of(steps).outcome) for _, steps in found)
