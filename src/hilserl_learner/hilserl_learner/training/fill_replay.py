"""Filling the replay at start: a run's own bags, and demonstrations."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
import time

from hilserl_core.bags.episode_bag import bags_by_time, contents, recover_all, require
from hilserl_core.bags.labels import apply, read_labels
from hilserl_core.contract.action_check import ActionCheck
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from ..importing.importer import derived
from ..replay.buffer import Replay

PROGRESS = 1.0  # s between sentences on how far reading is

Item = tuple[Path, TaskSchema | StepRecord]  # a bag, and what it holds, one by one


@dataclass
class Loaded:
    """What a directory of bags held."""

    bags: int = 0
    env_steps: int = 0  # records with an action
    policy_version: int = 0  # the highest that decided one
    episodes: set[str] = field(default_factory=set)
    unlabelled: list[str] = field(default_factory=list)  # episodes without an outcome


def load_run(directory: Path, replay: Replay, log: Callable[[str], object]) -> Loaded:
    """Rebuild the replay from a run's bags, recovering the ones that were cut off first.

    Episodes that were discarded, or whose actions cannot be right, count and are not learned.
    """
    for sentence in recover_all(directory):
        log(sentence)
    loaded, bags = Loaded(), bags_by_time(directory)
    source = _bags_in_turn(bags, _Progress(len(bags), loaded, log))
    for episode_id, why in _fill(source, replay, False, loaded).items():
        replay.delete_episode(episode_id)
        if why:
            log(f'episode {episode_id} is not learned from: {why}')
    return loaded


def load_demonstrations(
    directories: list[Path],
    replay: Replay,
    log: Callable[[str], object],
    unlabelled: str = 'refuse',
) -> Loaded:
    """Take in demonstrations, which stay for good. CellError for what is none.

    unlabelled: 'refuse' episodes without an outcome, or 'exclude' them.

    A directory is one bag or holds several. Raw recordings, and steps whose actions cannot be
    right, are imported first, once, into `.imported` beside them. A bag's steps are decoded once,
    and are in memory while they are checked: one bag at a time.
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
        progress = _Progress(len(bags), loaded, log)
        source = _demonstrations(bags, replay.schema, log, unlabelled, progress)
        for episode_id, why in _fill(source, replay, True, loaded).items():
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
            f'demonstration {episodes[0]}: it has no outcome ({len(episodes)} such '
            'episodes), and no outcome is not failure; label it (./cell label), or start with '
            'unlabelled:=exclude'
        )
    for episode_id in episodes:
        replay.delete_episode(episode_id)
        log(f'demonstration {episode_id} is unlabelled and left out')
    episodes.clear()


class _Progress:
    """Logs how far reading is, once a second at most."""

    def __init__(self, total: int, loaded: Loaded, log: Callable[[str], object]):
        self._total, self._loaded, self._log = total, loaded, log
        self._before, self._logged = loaded.bags, time.monotonic()

    def next_bag(self) -> None:
        self._loaded.bags += 1
        if time.monotonic() - self._logged > PROGRESS:
            self._logged = time.monotonic()
            self._log(
                f'reading bags: {self._loaded.bags - self._before:,} of {self._total:,}, '
                f'{self._loaded.env_steps:,} steps'
            )


def _bags_in_turn(bags: list[Path], progress: _Progress) -> Iterator[Item]:
    here = None
    for bag, content in _labelled(_read(bags), bags):
        if bag is not here:
            here = bag
            progress.next_bag()
        yield bag, content


def _demonstrations(
    bags: list[Path], schema: TaskSchema, log, unlabelled: str, progress: _Progress
) -> Iterator[Item]:
    """The bags' own steps, or those that an import makes of a bag."""
    for bag in bags:
        progress.next_bag()
        items = list(_read([bag])) if list(bag.glob('*.mcap')) else []
        why = _unsound(bag, items, schema)
        if not why:
            yield from _labelled(items, [bag])
            continue
        items.clear()
        try:
            parts = bags_by_time(derived(bag, schema, log, unlabelled))
        except CellError as error:
            about = '' if why in str(error) else f'{why}; '
            raise CellError(
                f'demonstration {bag} cannot be learned from: {about}{error}'
            ) from error
        yield from _labelled(_read(parts), parts)


def _read(bags: list[Path]) -> Iterator[Item]:
    return ((bag, content) for bag, _, content in contents(bags))


def _unsound(directory: Path, items: list[Item], schema: TaskSchema) -> str:
    """Why a bag's steps cannot be learned from as they are, or ''."""
    checks: dict[str, ActionCheck] = {}
    task = None
    for _, content in items:
        if isinstance(content, TaskSchema):
            task = content
        else:
            _check_of(checks, content, schema).add_step(content)
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
    source: Iterator[Item], replay: Replay, demonstration: bool, loaded: Loaded
) -> dict[str, str]:
    """Add these steps; returns the episodes not to learn from, and why ('': discarded)."""
    checks: dict[str, ActionCheck] = {}
    unwanted: dict[str, str] = {}
    silent: dict[str, bool] = {}
    for bag, content in source:
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
            _check_of(checks, step, replay.schema).add_step(step)
            if step.last:
                why = checks.pop(step.episode_id).problem()
                if why:
                    unwanted.setdefault(step.episode_id, why)
    for episode_id, check in checks.items():
        if why := check.problem():
            unwanted.setdefault(episode_id, why)
    loaded.unlabelled += [episode_id for episode_id, is_silent in silent.items() if is_silent]
    return unwanted


def _labelled(items: Iterable[Item], bags: list[Path]) -> Iterator[Item]:
    """These items of the bags; the steps of labelled bags with what their labels say."""
    labels = {bag: found for bag in bags if (found := read_labels(bag))}
    waiting: dict[tuple[Path, str], list[StepRecord]] = {}
    for bag, content in items:
        if bag in labels and isinstance(content, StepRecord):
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
