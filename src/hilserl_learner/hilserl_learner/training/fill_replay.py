"""Fills the replay at start, from the run's bags and from demonstrations."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
import time

from hilserl_core.bags.episode_bag import (
    DamagedBag,
    OtherVersion,
    bags_by_time,
    by_time,
    contents,
    find_bags,
    require,
    start_time,
)
from hilserl_core.bags.episode_list import broken_off, counts
from hilserl_core.bags.labels import Label, apply, read_labels
from hilserl_core.bags.recovery import recover_all, set_aside, set_labels_aside
from hilserl_core.contract.action_check import ActionCheck
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from ..replay.buffer import Replay
from .start_check import no_bag

PROGRESS_PERIOD = 1.0  # s between progress messages

Item = tuple[Path, TaskSchema | StepRecord]  # a bag, and one item of its content


@dataclass
class Loaded:
    """The contents of a directory of bags, as counts."""

    bags: int = 0
    env_steps: int = 0  # records with an action
    policy_version: int = 0  # the highest in the steps
    episodes: set[str] = field(default_factory=set)  # ids of those that count
    unlabelled: list[str] = field(default_factory=list)  # episodes without an outcome
    received: dict[str, int] = field(default_factory=dict)  # the last step of each episode


def load_run(directory: Path, replay: Replay, log: Callable[[str], object]) -> Loaded:
    """Rebuild the replay from a run's bags. Bags that were cut off are recovered first.

    A bag that is damaged is set aside with a sentence, and the run goes on with the others.
    Episodes that were discarded, or whose actions cannot be right, are counted but not added.
    """
    for sentence in recover_all(directory):
        log(sentence)
    loaded, bags = Loaded(), _sound_bags(directory, log)
    source = _run_items(bags, _Progress(len(bags), loaded, log), log)
    for episode_id, why in _fill(source, replay, False, loaded).items():
        replay.delete_episode(episode_id)
        if why:
            log(f'episode {episode_id} is not in the replay: {why}')
    return loaded


def load_demonstrations(
    directories: list[Path],
    replay: Replay,
    log: Callable[[str], object],
    unlabelled: str = 'refuse',
    by_anyone: bool = False,
) -> Loaded:
    """Add demonstrations, which are never overwritten. CellError if they cannot be used.

    unlabelled: 'refuse' episodes without an outcome, or 'exclude' them. by_anyone: whether the
    steps of a policy count as a human's.

    A directory is one bag, or contains several. Raw recordings, and steps whose actions cannot
    be right, are imported first, once, into `.imported` beside them. A bag's steps are decoded
    once. One bag at a time is in memory while it is checked.
    """
    loaded = Loaded()
    for directory in directories:
        bags = bags_by_time(directory)
        if not bags:
            raise no_bag(directory)
        before = loaded.env_steps
        progress = _Progress(len(bags), loaded, log)
        source = _demonstrations(bags, replay.schema, log, unlabelled, progress)
        if by_anyone:
            source = map(_by_a_human, source)
        for episode_id, why in _fill(source, replay, True, loaded).items():
            if why:
                raise CellError(f'demonstration {episode_id}: {why}; record it again')
            replay.delete_episode(episode_id)
        _exclude_unlabelled(loaded.unlabelled, replay, log, unlabelled)
        log(
            f'demonstrations: {loaded.env_steps - before:,} steps from {len(bags)} bags in '
            f'{directory}'
        )
    if not replay.prior_size and len(replay):
        log(
            'demonstrations: no step was decided by a human in an episode that did not fail; '
            'nothing is cloned, and no half of a batch is theirs (demos_by:=anyone takes the '
            'steps of a policy, too)'
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


def _exclude_unlabelled(
    episodes: list[str], replay: Replay, log: Callable[[str], object], unlabelled: str
) -> None:
    if episodes and unlabelled == 'refuse':
        raise CellError(
            f'demonstration {episodes[0]}: it has no outcome ({len(episodes)} such '
            'episodes), and that is not failure; label it (./cell label), or start with '
            'unlabelled:=exclude'
        )
    for episode_id in episodes:
        replay.delete_episode(episode_id)
        log(f'demonstration {episode_id} is unlabelled and left out')
    episodes.clear()


class _Progress:
    """Logs the progress of reading, at most once a second."""

    def __init__(self, total: int, loaded: Loaded, log: Callable[[str], object]):
        self._total, self._loaded, self._log = total, loaded, log
        self._before, self._logged = loaded.bags, time.monotonic()

    def next_bag(self) -> None:
        self._loaded.bags += 1
        if time.monotonic() - self._logged > PROGRESS_PERIOD:
            self._logged = time.monotonic()
            self._log(
                f'reading bags: {self._loaded.bags - self._before:,} of {self._total:,}, '
                f'{self._loaded.env_steps:,} steps'
            )


def _sound_bags(directory: Path, log: Callable[[str], object]) -> list[Path]:
    """A run's complete bags by time. Those that cannot be opened are set aside."""
    found = []
    for bag in find_bags(directory):
        try:
            start_time(bag)
            found.append(bag)
        except DamagedBag as error:
            log(set_aside(bag, error.reason))
    return by_time(found)


def _run_items(
    bags: list[Path], progress: _Progress, log: Callable[[str], object]
) -> Iterator[Item]:
    """The items of a run's bags. A bag that is damaged is set aside where its damage begins."""
    labels, others, current = _usable_labels(bags, log), list(bags), None
    unknown: list[OtherVersion] = []  # damage, if other bags of this run can be read
    while others:
        read = others
        error: DamagedBag | OtherVersion | None = None
        try:
            for bag, content in _labelled(_read(read), labels):
                if bag is not current:
                    current = bag
                    progress.next_bag()
                yield bag, content
        except DamagedBag as damage:
            log(set_aside(damage.directory, damage.reason))
            error = damage
        except OtherVersion as damage:
            unknown.append(damage)
            error = damage
        others = others[others.index(error.directory) + 1 :] if error else []
    if unknown and current is None:
        raise unknown[0]
    for other in unknown:
        log(set_aside(other.directory, str(other)))


def _usable_labels(bags: list[Path], log: Callable[[str], object]) -> dict[Path, list[Label]]:
    """The labels of a run's bags. A label file that cannot be used is set aside."""
    labels = {}
    for bag in bags:
        try:
            if found := read_labels(bag):
                labels[bag] = found
        except CellError as error:
            log(set_labels_aside(bag, str(error)))
    return labels


def _demonstrations(
    bags: list[Path],
    schema: TaskSchema,
    log: Callable[[str], object],
    unlabelled: str,
    progress: _Progress,
) -> Iterator[Item]:
    """The steps of the bags. Bags that cannot be used as they are, are imported."""
    for bag in bags:
        progress.next_bag()
        items = list(_read([bag])) if list(bag.glob('*.mcap')) else []
        why = _import_reason(bag, items, schema)
        if not why:
            yield from _labelled(items, _labels([bag]))
            continue
        items.clear()
        # MuJoCo and the readers of foreign bags: a start without imports does not wait for them
        from ..importing.importer import NothingToImport, derived

        try:
            parts = bags_by_time(derived(bag, schema, log, unlabelled))
        except NothingToImport as reason:
            log(f'demonstration {bag.name} is left out: {reason}')
            continue
        except CellError as error:
            about = '' if why in str(error) else f'{why}; '
            raise CellError(
                f'demonstration {bag} cannot be learned from: {about}{error}'
            ) from error
        yield from _labelled(_read(parts), _labels(parts))


def _by_a_human(item: Item) -> Item:
    bag, content = item
    if isinstance(content, StepRecord) and content.source == Source.POLICY:
        return bag, replace(content, source=Source.HUMAN)
    return item


def _read(bags: list[Path]) -> Iterator[Item]:
    return ((bag, content) for bag, _, content in contents(bags))


def _import_reason(directory: Path, items: list[Item], schema: TaskSchema) -> str:
    """Why a bag must be imported before its steps can be used, or ''."""
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


def _check_of(checks: dict[str, ActionCheck], step: StepRecord, schema: TaskSchema) -> ActionCheck:
    check = checks.get(step.episode_id)
    if check is None:
        check = checks[step.episode_id] = ActionCheck(schema)
    return check


def _fill(
    source: Iterator[Item], replay: Replay, demonstration: bool, loaded: Loaded
) -> dict[str, str]:
    """Add these steps. Return the episodes to remove, and why.

    '': discarded, or a demonstration that was broken off at its start.
    """
    checks: dict[str, ActionCheck] = {}
    unwanted: dict[str, str] = {}
    without_reward: dict[str, bool] = {}
    lengths: Counter[str] = Counter()
    for bag, content in source:
        if isinstance(content, TaskSchema):
            require(bag, content, replay.schema)
            continue
        step = content
        before = loaded.received.get(step.episode_id, step.index)
        loaded.received[step.episode_id] = max(before, step.index)
        loaded.env_steps += not step.last
        lengths[step.episode_id] += not step.last
        loaded.policy_version = max(loaded.policy_version, step.policy_version)
        if step.last and counts(step.outcome):
            loaded.episodes.add(step.episode_id)
        broken = demonstration and broken_off(
            step.outcome, lengths[step.episode_id], replay.schema.rate
        )
        if step.last and (step.outcome == Outcome.DISCARDED or broken):
            unwanted[step.episode_id] = ''
        if not step.last:
            without_reward[step.episode_id] = (
                without_reward.get(step.episode_id, False) or step.reward is None
            )
        elif step.outcome != Outcome.NONE or broken:
            without_reward[step.episode_id] = False
        if replay.add(step, demonstration) == '':
            _check_of(checks, step, replay.schema).add_step(step)
            if step.last:
                why = checks.pop(step.episode_id).problem()
                if why:
                    unwanted.setdefault(step.episode_id, why)
    for episode_id, check in checks.items():
        if why := check.problem():
            unwanted.setdefault(episode_id, why)
    loaded.unlabelled += [episode_id for episode_id, missing in without_reward.items() if missing]
    return unwanted


def _labels(bags: list[Path]) -> dict[Path, list[Label]]:
    return {bag: found for bag in bags if (found := read_labels(bag))}


def _labelled(items: Iterable[Item], labels: dict[Path, list[Label]]) -> Iterator[Item]:
    """The items of the bags, with labels applied to the steps of labelled bags."""
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
