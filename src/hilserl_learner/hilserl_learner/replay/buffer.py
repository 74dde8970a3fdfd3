"""The replay: a ring of step records, from which batches of transitions are sampled.

A slot of its `StepStore` holds one step record. Slots are linked to their neighbours in the same
episode. So no transition is formed across a gap, even if writers interleave, steps are missing,
the ring wraps, or episodes are deleted. Sampling is uniform over the valid transitions. A valid
transition has an action, a known reward, a successor and a complete frame stack.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from hilserl_core.contract.steps import Outcome, StepRecord, problem
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from .batch import Batch
from .slot_set import NONE, Slots, SlotSet
from .step_store import StepStore

FAILED = (Outcome.FAILURE, Outcome.TIMEOUT)
MAX_GAP = 2.5  # control periods between neighbours; steps further apart are not linked


@dataclass
class _Episode:
    slots: deque[int]
    first_index: int  # of the first record that arrived
    tail: int = NONE  # slot of its newest record, NONE if overwritten
    tail_index: int = -1
    tail_stamp: int = 0
    closed: bool = False


class Replay:
    """A ring of step records of one task. Not thread-safe: one thread adds and samples."""

    def __init__(
        self,
        schema: TaskSchema,
        capacity: int,
        frame_stack: int = 1,
        n_step: int = 3,
        discount: float = 0.97,
    ):
        self.schema, self.capacity = schema, capacity
        self.rejected = 0  # records refused so far
        self.last_rejection = ''
        self._steps = StepStore(schema, capacity, frame_stack, n_step, discount)
        # the number of earlier records of the episode, which its frame stack can contain
        self._position = np.zeros(capacity, np.int32)
        self._owner: list[str | None] = [None] * capacity
        self._episodes: dict[str, _Episode] = {}
        self._valid, self._prior, self._online = (SlotSet(capacity) for _ in range(3))
        self._cursor = self._first = 0
        self._max_gap = int(MAX_GAP / schema.rate * 1e9)

    @staticmethod
    def bytes_per_step(schema: TaskSchema) -> int:
        """Memory of one record in bytes, including its links."""
        # position, pools, owner
        return StepStore.bytes_per_step(schema) + 4 + 6 * 4 + 8 + 40

    @classmethod
    def within(
        cls, gigabytes: float, schema: TaskSchema, frame_stack: int, n_step: int, discount: float
    ) -> 'Replay':
        """A replay of that size; CellError if the machine has too little free memory."""
        free = available_memory()
        if gigabytes * 1e9 > 0.8 * free:
            raise CellError(
                f'memory_gb is {gigabytes:g}, but only {free / 1e9:.1f} GB are free here; '
                f'set it to {0.8 * free / 1e9:.1f} or less'
            )
        capacity = max(int(gigabytes * 1e9 / cls.bytes_per_step(schema)), 2)
        return cls(schema, capacity, frame_stack, n_step, discount)

    def __len__(self) -> int:
        """Number of valid transitions."""
        return len(self._valid)

    @property
    def prior_size(self) -> int:
        """Number of valid transitions of humans, in episodes that did not fail."""
        return len(self._prior)

    def add(self, step: StepRecord, demonstration: bool = False) -> str:
        """Add one record. Return '', or why it was refused; refused records are counted.

        Add demonstrations first. They are never overwritten: the ring uses the memory after them.
        """
        reason = problem(step, self.schema)
        episode = self._episodes.get(step.episode_id)
        if not reason and episode and (episode.closed or step.index <= episode.tail_index):
            reason = 'its episode already has this step, or has ended'
        if reason:
            self.rejected += 1
            self.last_rejection = (
                f'step {step.index} of episode {step.episode_id[:100]}: {reason[:300]}'
            )
            return reason
        if demonstration and self._cursor >= self.capacity // 2:
            raise CellError(
                f"demonstrations fill more than half of the replay's {self.capacity} steps; "
                'set memory_gb to twice the memory that they need'
            )
        if episode is None:
            episode = self._episodes[step.episode_id] = _Episode(deque(), step.index)
        slot = self._take_slot()
        if demonstration:
            self._first = self._cursor
        self._steps.write(slot, step)
        self._position[slot] = step.index - episode.first_index
        self._owner[slot] = step.episode_id
        if (
            episode.tail != NONE
            and step.index == episode.tail_index + 1
            and 0 < step.stamp - episode.tail_stamp <= self._max_gap
        ):
            self._link(episode.tail, slot)
        episode.slots.append(slot)
        episode.tail, episode.tail_index, episode.tail_stamp = slot, step.index, step.stamp
        episode.closed = step.last
        if step.outcome in FAILED:
            self._demote(episode)
        return ''

    def _demote(self, episode: _Episode) -> None:
        """Treat the human steps of a failed episode as online data: they are not cloned."""
        self._steps.human[list(episode.slots)] = False
        for slot in episode.slots:
            if slot in self._prior:
                self._prior.discard(slot)
                self._online.add(slot)

    def _link(self, tail: int, slot: int) -> None:
        steps = self._steps
        steps.previous[slot], steps.next[tail] = tail, slot
        if steps.startable[tail] and self._has_stack(tail):
            self._valid.add(tail)
            (self._prior if steps.human[tail] else self._online).add(tail)

    def _has_stack(self, slot: int) -> bool:
        for _ in range(min(self._steps.frame_stack - 1, int(self._position[slot]))):
            slot = self._steps.previous[slot]
            if slot == NONE:
                return False
        return True

    def _take_slot(self) -> int:
        slot = self._cursor
        self._cursor = slot + 1 if slot + 1 < self.capacity else self._first
        owner = self._owner[slot]
        if owner is not None:
            episode = self._episodes[owner]
            episode.slots.popleft()  # an episode's slots are overwritten in its own order
            if episode.tail == slot:
                episode.tail = NONE
            self._clear(slot)
        return slot

    def _clear(self, slot: int) -> None:
        """Clear a slot, and invalidate every transition whose frame stack contains its image.

        An episode's slots are cleared oldest first, so only later slots can need this image.
        """
        self._invalidate(slot)
        steps = self._steps
        following = steps.next[slot]
        if following != NONE:
            steps.previous[following] = NONE
        for _ in range(steps.frame_stack - 1):
            if following == NONE:
                break
            self._invalidate(following)
            following = steps.next[following]
        self._owner[slot] = None
        steps.next[slot] = NONE

    def _invalidate(self, slot: int) -> None:
        for pool in (self._valid, self._prior, self._online):
            pool.discard(slot)

    def delete_episode(self, episode_id: str) -> int:
        """Delete an episode. Return how many records it had. Later records of it are refused."""
        episode = self._episodes.get(episode_id)
        if episode is None:
            return 0
        count = len(episode.slots)
        for slot in episode.slots:
            self._clear(slot)
        self._episodes[episode_id] = _Episode(deque(), episode.first_index, closed=True)
        return count

    def replace_episode(self, steps: list[StepRecord]) -> str:
        """Replace the records of an episode. Return '', or why one was refused."""
        self.delete_episode(steps[0].episode_id)
        self._episodes.pop(steps[0].episode_id, None)
        return next((why for why in map(self.add, steps) if why), '')

    def sample(self, batch: int, prior: bool, rng: np.random.Generator) -> Batch:
        """Sample `batch` transitions uniformly from the valid ones, or from the prior data."""
        pool = self._prior if prior and self._prior else self._valid
        return self.gather(self._draw(batch, pool, rng))

    def sample_half(
        self, batch: int, rng: np.random.Generator, into: Batch | None = None
    ) -> Batch:
        """Sample one half from the prior data, one half from the others (RLPD, HIL-SERL).

        If one of them is empty, the whole batch is from the other one.
        """
        half = batch // 2
        return self.gather(
            np.concatenate(
                [
                    self._draw(half, self._prior or self._online, rng),
                    self._draw(batch - half, self._online or self._prior, rng),
                ]
            ),
            into,
        )

    @staticmethod
    def _draw(batch: int, pool: SlotSet, rng: np.random.Generator) -> Slots:
        if not len(pool):
            raise CellError('the replay has no transition yet; nothing can be sampled')
        return pool.draw(batch, rng)

    def allocate(self, count: int, pinned: bool = False) -> Batch:
        """Allocate a batch of `count`. A GPU copies from `pinned` memory without blocking."""
        return self._steps.allocate(count, pinned)

    def gather(self, slots: Slots, into: Batch | None = None) -> Batch:
        """Gather the transitions that start at these valid slots, into `into` if it is given."""
        return self._steps.gather(slots, into)


def available_memory() -> int:
    """Bytes of memory that are available on this machine."""
    with open('/proc/meminfo', encoding='ascii') as file:
        for line in file:
            if line.startswith('MemAvailable:'):
                return int(line.split()[1]) * 1024
    raise CellError('/proc/meminfo has no MemAvailable; memory_gb cannot be checked')
