"""Filling the replay at start: a run's own bags, and demonstrations."""
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from so101_description.errors import CellError

from .action_check import ActionCheck
from .bags import open_bags, recover_all
from .policy import Bundle, Policy
from .replay import Replay
from .steps import Outcome
from .task import TaskSchema


@dataclass
class Loaded:
    """What a directory of bags held."""

    bags: int = 0
    env_steps: int = 0          # records with an action
    policy_version: int = 0     # the highest that decided one
    episodes: set[str] = field(default_factory=set)


def load_run(directory: Path, replay: Replay, log: Callable[[str], None]) -> Loaded:
    """Rebuild the replay from a run's bags, recovering the ones that were cut off first.

    Episodes that were discarded, or whose actions cannot be right, count and are not learned.
    """
    for sentence in recover_all(directory):
        log(sentence)
    loaded = Loaded()
    for bag in open_bags(directory):
        bag.require(replay.schema)
        for episode_id, why in _fill(bag, replay, False, loaded).items():
            replay.delete_episode(episode_id)
            if why:
                log(f'episode {episode_id} is not learned from: {why}')
    return loaded


def load_demonstrations(
        directories: list[Path], replay: Replay, log: Callable[[str], None]) -> Loaded:
    """Take in demonstrations, which stay for good. CellError for what is none.

    A directory is one bag or holds several.
    """
    loaded = Loaded()
    for directory in directories:
        bags = open_bags(directory)
        if not bags:
            raise CellError(
                f'demos: there is no complete bag in {directory}; give the bag, or the '
                'directory of bags (of a run: runs/NAME/bags)')
        before = loaded.env_steps
        for bag in bags:
            bag.require(replay.schema)
            for episode_id, why in _fill(bag, replay, True, loaded).items():
                if why:
                    raise CellError(
                        f'demonstration {bag.directory}: {why}; record it again, or rebuild '
                        'its actions from joint states')
                replay.delete_episode(episode_id)
        log(f'demonstrations: {loaded.env_steps - before:,} steps from {len(bags)} bags in '
            f'{directory}')
    if not len(replay):
        raise CellError(
            'demos: no step of ' + ', '.join(map(str, directories)) + ' can be learned from; '
            + (f'the last reason: {replay.last_rejection}' if replay.rejected
               else 'none has a reward and a successor'))
    return loaded


def _fill(bag, replay: Replay, demonstration: bool, loaded: Loaded) -> dict[str, str]:
    """Add a bag's steps; returns the episodes not to learn from, and why ('': discarded)."""
    checks: dict[str, ActionCheck] = {}
    unwanted: dict[str, str] = {}
    for step in bag.steps():
        loaded.env_steps += not step.last
        loaded.policy_version = max(loaded.policy_version, step.policy_version)
        loaded.episodes.add(step.episode_id)
        if step.last and step.outcome == Outcome.DISCARDED:
            unwanted[step.episode_id] = ''
        if replay.add(step, demonstration) == '':
            checks.setdefault(step.episode_id, ActionCheck(replay.schema)).add(step)
    loaded.bags += 1
    for episode_id, check in checks.items():
        if check.problem() and episode_id not in unwanted:
            unwanted[episode_id] = check.problem()
    return unwanted


def adopt_policy(agent, path: Path, schema: TaskSchema) -> str:
    """Start an agent from a policy bundle, strictly; returns a sentence on what it was."""
    try:
        bundle = Bundle.from_bytes(path.read_bytes())
    except OSError as error:
        raise CellError(f'pretrained policy {path} cannot be read: {error}') from error
    lines = schema.differences(bundle.schema)
    if bundle.network != agent.config.network:
        lines.append(f'network: {agent.config.network} here, {bundle.network} there')
    if lines:
        raise CellError(f'pretrained policy {path} is of another task; ' + '; '.join(lines))
    policy = Policy(bundle)
    agent.encoder.load_state_dict(policy.encoder.state_dict())
    agent.actor.load_state_dict(policy.actor.state_dict())
    return f'started from policy {path}: version {bundle.version}, {bundle.updates:,} updates'
