"""Which policies an evaluation is of, and where their results belong. Changes nothing on disk."""

from dataclasses import dataclass
import hashlib
from pathlib import Path

from hilserl_core.contract.evaluation_report import REPORT, read_report
from hilserl_core.policy.checkpoint_names import BEST, LATEST, POLICY, checkpoint_names
from so101_node.errors import CellError


@dataclass(frozen=True)
class Planned:
    """An evaluation that is about to start, or to go on: policy, directory, episodes done."""

    policy: Path
    directory: Path
    done: int


def choose(
    run_dir: Path, checkpoint: str, policy: str, seed: int, episodes: int
) -> tuple[list[Planned], str]:
    """The evaluations that are asked for, and a sentence on them.

    checkpoint: 'best', 'latest', a checkpoint's name, 'all' (what is complete is not repeated),
    or '' for the best, or the latest as long as none is judged. policy: a bundle's file instead.
    CellError if there is nothing to evaluate.
    """
    results = run_dir / 'eval'
    if policy:
        if checkpoint:
            raise CellError('policy:= and checkpoint:= do not go together')
        one = _planned(results, Path(policy).expanduser().absolute(), seed, episodes, True)
        return [one], f'evaluating {policy}{_from(one)}'
    directory = run_dir / 'checkpoints'
    if checkpoint == 'all':
        return _all(directory, results, seed, episodes)
    word = checkpoint or (BEST if (directory / BEST).exists() else LATEST)
    if not (directory / word / POLICY).is_file():
        raise CellError(
            f'there is no checkpoint {directory / word}; name a trained run (run:=), '
            'one of its checkpoints (./cell checkpoints RUN), or a policy bundle '
            '(policy:=)'
        )
    resolved = (directory / word).resolve()
    one = _planned(results, resolved / POLICY, seed, episodes, True)
    which = f' ({word})' if word != resolved.name else ''
    return [one], f'evaluating checkpoint {resolved.name}{which} of {run_dir.name}{_from(one)}'


def _all(directory: Path, results: Path, seed: int, episodes: int) -> tuple[list[Planned], str]:
    names = checkpoint_names(directory) if directory.is_dir() else []
    if not names:
        raise CellError(f'there is no checkpoint in {directory}; name a trained run (run:=)')
    every = [_planned(results, directory / name / POLICY, seed, episodes, False) for name in names]
    open_ones = [one for one in every if one.done < episodes]
    if not open_ones:
        raise CellError(
            f'all {len(names)} checkpoints are evaluated with seed:={seed} and '
            f'episodes:={episodes} already: {results}'
        )
    return open_ones, (
        f'evaluating {len(open_ones)} of {len(names)} checkpoints of '
        f'{directory.parent.name}{_from(open_ones[0])}'
    )


def _from(one: Planned) -> str:
    return f', from episode {one.done + 1} on' if one.done else ''


def _planned(results: Path, policy: Path, seed: int, episodes: int, again: bool) -> Planned:
    """Return the evaluation to run or to continue.

    The same policy, seed and number of episodes go on where they stopped; a complete
    evaluation is returned as such, or with `again` repeated under a new number.
    """
    label = policy.parent.name if policy.name == POLICY else policy.stem
    try:
        digest = hashlib.sha256(policy.read_bytes()).hexdigest()
    except OSError as error:
        raise CellError(f'policy {policy} cannot be read: {error.strerror}') from error
    name, number = f'{label}-{digest[:8]}-seed{seed}-{episodes}', 1
    while True:
        here = results / (name if number == 1 else f'{name}-{number}')
        done = len(read_report(here)['results']) if (here / REPORT).exists() else 0
        if done < episodes or not again:
            return Planned(policy, here, done)
        number += 1
