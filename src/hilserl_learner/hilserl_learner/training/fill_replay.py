"""Filling the replay at start: a run's own bags, and demonstrations."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
import time

from hilserl_core.bags.episode_bag import bags_by_time, contents, recover_all, require
from hilserl_core.bags.labels import Label, apply, read_labels
from hilserl_core.contract.action_check import ActionCheck
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from ..importing.importer import derived
from ..replay.buffer import Replay

PROGRESS = 1.0  # s between sentences on how far reading is


@dataclass
class Loaded:
    """What a directory of bags held."""

    bags: int = 0
    env_steps: int = 0  # records with an action
    policy_version: int = 0  # the highest that decided one
    episodes: set[str] = field(default_factory=set)
    unlabelled: list[str] = field(default_factory=list)  # episodes nobody judged


def load_run(directory: Path, replay: Replay, log: Callable[[str], None]) -> Loaded:
    """Rebuild the replay from a run's bags, recovering the ones that were cut off first.

    Episodes that were discarded, or whose actions cannot be right, count and are not learned.
    """
    for sentence in recover_all(directory):
        log(sentence)
    loaded = Loaded()
    for episode_id, why in _fill(bags_by_time(directory), replay, False, loaded, log).items():
        replay.delete_episode(episode_id)
        if why:
            log(f'episode {episode_id} is not learned from: {why}')
    return loaded


def load_demonstrations(
    directories: list[Path], replay: Replay, log: Callable[[str], None], unlabelled: str = 'refuse'
) -> Loaded:
    """Take in demonstrations, which stay for good. CellError for what is none.

    unlabelled: 'refuse' episodes of which nobody said how they came out, or 'exclude' them.

    A directory is one bag or holds several. Raw recordings, and steps whose actions cannot be
    right, are imported first, once, into `.imported` beside them.
    """
    loaded = Loaded()
    for directory in directories:
        bags = bags_by_time(directory)
        if not bags:
            raise CellError(
                f'demos: there is no complete bag in {directory}; give the bag, or the '
                'directory of bags (of a run: runs/NAME/bags)'
            )
        before = loaded.env_steps
        usable = [part for bag in bags for part in _usable(bag, replay.schema, log, unlabelled)]
        for episode_id, why in _fill(usable, replay, True, loaded, log).items():
            if why:
                raise CellError(f'demonstration {episode_id}: {why}; record it again')
            replay.delete_episode(episode_id)
        _leave_out(loaded.unlabelled, replay, log, unlabelled)
        log(
            f'demonstrations: {loaded.env_steps - before:,} steps from {len(bags)} bags in '
            f'{directory}'
        )
    if not len(replay):
        raise CellError(
            'demos: no step of '
            + ', '.join(map(str, directories))
            + ' can be learned from; '
            + (
                f'the last reason: {replay.last_rejection}'
                if replay.rejected
                else 'none has a reward and a successor'
            )
        )
    return loaded


def _leave_out(episodes: list[str], replay: Replay, log, unlabelled: str) -> None:
    if episodes and unlabelled == 'refuse':
        raise CellError(
            f'demonstration {episodes[0]}: nobody said how it came out ({len(episodes)} such '
            'episodes), and silence is not failure; label it (./cell label), or start with '
            'unlabelled:=exclude'
        )
    for episode_id in episodes:
        replay.delete_episode(episode_id)
        log(f'demonstration {episode_id} is unlabelled and left out')
    episodes.clear()


def _usable(bag: Path, schema: TaskSchema, log, unlabelled: str) -> list[Path]:
    """The bag itself, or the ones that an import makes of it."""
    why = _unsound(bag, schema)
    if not why:
        return [bag]
    try:
        return bags_by_time(derived(bag, schema, log, unlabelled))
    except CellError as error:
        about = '' if why in str(error) else f'{why}; '
        raise CellError(f'demonstration {bag} cannot be learned from: {about}{error}') from error


def _unsound(directory: Path, schema: TaskSchema) -> str:
    """Why a bag's steps cannot be learned from as they are, or ''; CellError if damaged."""
    if not list(directory.glob('*.mcap')):
        return 'it is a raw recording'
    checks: dict[str, ActionCheck] = {}
    task = None
    for _, _, content in contents([directory]):
        if isinstance(content, TaskSchema):
            task = content
        else:
            _check_of(checks, content, schema).add(content)
    if task is None or not checks:
        return 'it is a raw recording'
    require(directory, task, schema)
    return next((why for check in checks.values() if (why := check.problem())), '')


def _check_of(checks: dict, step: StepRecord, schema: TaskSchema) -> ActionCheck:
    check = checks.get(step.episode_id)
    if check is None:
        check = checks[step.episode_id] = ActionCheck(schema)
    return check


def _fill(
    bags: list[Path],
    replay: Replay,
    demonstration: bool,
    loaded: Loaded,
    log: Callable[[str], None],
) -> dict[str, str]:
    """Add the bags' steps; returns the episodes not to learn from, and why ('': discarded)."""
    checks: dict[str, ActionCheck] = {}
    unwanted: dict[str, str] = {}
    silent: dict[str, bool] = {}
    said, here = time.monotonic(), None
    labels = {bag: found for bag in bags if (found := read_labels(bag))}
    for bag, content in _labelled(bags, labels):
        if bag is not here:
            here = bag
            loaded.bags += 1
            if time.monotonic() - said > PROGRESS:
                said = time.monotonic()
                log(f'reading bags: {loaded.bags:,} of {len(bags):,}, {loaded.env_steps:,} steps')
        if isinstance(content, TaskSchema):
            require(bag, content, replay.schema)
            continue
        step = content
        loaded.env_steps += not step.last
        loaded.policy_version = max(loaded.policy_version, step.policy_version)
        loaded.episodes.add(step.episode_id)
        if step.last and step.outcome == Outcome.DISCARDED:
            unwanted[step.episode_id] = ''
        if not step.last:
            silent[step.episode_id] = silent.get(step.episode_id, False) or step.reward is None
        elif step.outcome != Outcome.NONE:
            silent[step.episode_id] = False
        if replay.add(step, demonstration) == '':
            _check_of(checks, step, replay.schema).add(step)
            if step.last:
                why = checks.pop(step.episode_id).problem()
                if why:
                    unwanted.setdefault(step.episode_id, why)
    for episode_id, check in checks.items():
        if why := check.problem():
            unwanted.setdefault(episode_id, why)
    loaded.unlabelled += [episode_id for episode_id, is_silent in silent.items() if is_silent]
    return unwanted


def _labelled(bags: list[Path], labels: dict[Path, list[Label]]):
    """Bag and content, one by one; the steps of labelled bags with what their labels say."""
    waiting: dict[tuple[Path, str], list[StepRecord]] = {}
    for bag, _, content in contents(bags):
        if labels and bag in labels and isinstance(content, StepRecord):
            waiting.setdefault((bag, content.episode_id), []).append(content)
            if not content.last:
                continue
            for step in apply(labels[bag], waiting.pop((bag, content.episode_id))):
                yield bag, step
        else:
            yield bag, content
    for (bag, _), steps in waiting.items():
        for step in apply(labels[bag], steps):
            yield bag, step
