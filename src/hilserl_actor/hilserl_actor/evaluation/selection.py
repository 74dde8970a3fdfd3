"""Selects the policies to evaluate and the directories of their results. Writes nothing."""

from dataclasses import dataclass
import hashlib
from pathlib import Path

from hilserl_core.contract.evaluation_report import REPORT, read_report
from hilserl_core.policy.checkpoint_names import (
    BEST,
    LATEST,
    MAX_POLICY,
    POLICY,
    checkpoint_names,
)
from hilserl_core.policy.other_program import digest_of, directory_of, is_other, label_of
from hilserl_core.policy.safetensors_header import safetensors_metadata
from so101_node.errors import CellError
from so101_node.foreign_files import expanded, read_bytes


@dataclass(frozen=True)
class PlannedEvaluation:
    """An evaluation to start or to continue: policy, directory, episodes done."""

    policy: Path
    directory: Path
    done: int


def choose(
    run_dir: Path, checkpoint: str, policy: str, seed: int, episodes: int
) -> tuple[list[PlannedEvaluation], str]:
    """Return the selected evaluations, and a sentence on them.

    checkpoint: 'best', 'latest', a checkpoint's name, 'all' (complete evaluations are not
    repeated), or '' for the best, or the latest if there is no best. policy: the file of a policy
    bundle, or lerobot:DIR, instead of a checkpoint. CellError if there is nothing to evaluate.
    """
    results = run_dir / 'eval'
    if policy:
        if checkpoint:
            raise CellError('policy:= and checkpoint:= exclude each other; give one of them')
        if is_other(policy):
            directory = directory_of(policy)
            label, digest = label_of(directory), digest_of(directory)
            one = _in_results(results, directory, label, digest, seed, episodes, True)
        else:
            one = _plan_evaluation(results, expanded(policy).absolute(), seed, episodes, True)
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
    one = _plan_evaluation(results, resolved / POLICY, seed, episodes, True)
    which = f' ({word})' if word != resolved.name else ''
    return [one], f'evaluating checkpoint {resolved.name}{which} of {run_dir.name}{_from(one)}'


def _all(
    directory: Path, results: Path, seed: int, episodes: int
) -> tuple[list[PlannedEvaluation], str]:
    names = checkpoint_names(directory) if directory.is_dir() else []
    if not names:
        raise CellError(f'there is no checkpoint in {directory}; name a trained run (run:=)')
    evaluations = [
        _plan_evaluation(results, directory / name / POLICY, seed, episodes, False)
        for name in names
    ]
    incomplete = [one for one in evaluations if one.done < episodes]
    if not incomplete:
        raise CellError(
            f'all {len(names)} checkpoints are evaluated with seed:={seed} and '
            f'episodes:={episodes} already: {results}'
        )
    return incomplete, (
        f'evaluating {len(incomplete)} of {len(names)} checkpoints of '
        f'{directory.parent.name}{_from(incomplete[0])}'
    )


def _from(one: PlannedEvaluation) -> str:
    return f', from episode {one.done + 1} on' if one.done else ''


def _plan_evaluation(
    results: Path, policy: Path, seed: int, episodes: int, again: bool
) -> PlannedEvaluation:
    """Return the evaluation of a policy bundle to run or to continue."""
    label = policy.parent.name if policy.name == POLICY else policy.stem
    data = read_bytes(policy, 'policy', MAX_POLICY)
    try:
        safetensors_metadata(data)  # before the cell starts
    except CellError as error:
        raise CellError(f'{policy}: {error}') from error
    digest = hashlib.sha256(data).hexdigest()
    return _in_results(results, policy, label, digest, seed, episodes, again)


def _in_results(
    results: Path, policy: Path, label: str, digest: str, seed: int, episodes: int, again: bool
) -> PlannedEvaluation:
    """Return the evaluation to run or to continue.

    An interrupted evaluation with the same policy, seed and number of episodes is continued. A
    complete one is returned, or, if `again`, repeated under a new number.
    """
    name, number = f'{label}-{digest[:8]}-seed{seed}-{episodes}', 1
    while True:
        directory = results / (name if number == 1 else f'{name}-{number}')
        done = len(read_report(directory)['results']) if (directory / REPORT).exists() else 0
        if done < episodes or not again:
            return PlannedEvaluation(policy, directory, done)
        number += 1
