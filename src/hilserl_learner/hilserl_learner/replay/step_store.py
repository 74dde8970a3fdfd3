"""The memory of the replay: step records in slots, and the batches that are gathered from them.

Each image is stored once, as uint8. A batch's frame stacks and n-step sums are built by index,
along the links between the slots of an episode.
"""

import numpy as np
import torch

from hilserl_core.contract.steps import Source, StepRecord
from hilserl_core.contract.task import TaskSchema

from .batch import Batch
from .slot_set import NONE, Slots


class StepStore:
    """Arrays with one place for each slot. `previous` and `next` are the links, NONE without."""

    def __init__(
        self, schema: TaskSchema, capacity: int, frame_stack: int, n_step: int, discount: float
    ):
        self.frame_stack, self.n_step, self.discount = frame_stack, n_step, discount
        self.images = [np.empty((capacity, *camera.shape), np.uint8) for camera in schema.cameras]
        self.state = np.zeros((capacity, len(schema.state_names)), np.float32)
        self.action = np.zeros((capacity, len(schema.action_names)), np.float32)
        self.reward = np.zeros(capacity, np.float32)
        self.human = np.zeros(capacity, bool)
        self.terminated = np.zeros(capacity, bool)
        self.ends = np.zeros(capacity, bool)  # terminated or truncated
        self.startable = np.zeros(capacity, bool)  # has an action and a known reward
        self.previous = np.full(capacity, NONE, np.int32)
        self.next = np.full(capacity, NONE, np.int32)

    @staticmethod
    def bytes_per_step(schema: TaskSchema) -> int:
        """Memory of one record in bytes, including its links."""
        images = sum(int(np.prod(camera.shape)) for camera in schema.cameras)
        floats = 4 * (len(schema.state_names) + len(schema.action_names) + 1)
        return images + floats + 4 + 2 * 4  # flags, links

    def write(self, slot: int, step: StepRecord) -> None:
        """Write a record into a slot, without links."""
        for stored, image in zip(self.images, step.images):
            stored[slot] = image
        self.state[slot] = step.state
        self.startable[slot] = not step.last and step.reward is not None
        self.action[slot] = 0.0 if step.last else step.action
        self.reward[slot] = step.reward or 0.0
        self.human[slot] = step.source == Source.HUMAN
        self.terminated[slot] = step.terminated
        self.ends[slot] = step.terminated or step.truncated
        self.previous[slot] = self.next[slot] = NONE

    def allocate(self, count: int, pinned: bool = False) -> Batch:
        """Allocate a batch of `count`. A GPU copies from `pinned` memory without blocking."""

        def memory(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.empty((count, *shape), dtype=dtype, pin_memory=pinned)

        images, following = (
            tuple(
                memory(*stored.shape[1:3], self.frame_stack * stored.shape[3], dtype=torch.uint8)
                for stored in self.images
            )
            for _ in range(2)
        )
        return Batch(
            images,
            memory(self.state.shape[1]),
            memory(self.action.shape[1]),
            memory(),
            memory(),
            following,
            memory(self.state.shape[1]),
            memory(dtype=torch.bool),
        )

    def gather(self, slots: Slots, into: Batch | None = None) -> Batch:
        """Gather the transitions that start at these valid slots, into `into` if it is given."""
        into = self.allocate(len(slots)) if into is None else into
        current, running = slots, np.ones(len(slots), bool)
        reward, discount = into.reward.numpy(), into.discount.numpy()
        reward[:], discount[:] = 0.0, 1.0
        for _ in range(self.n_step):
            reward += np.where(running, discount * self.reward[current], 0.0)
            discount[:] = np.where(running, discount * np.float32(self.discount), discount)
            discount[running & self.terminated[current]] = 0.0
            stops = self.ends[current]
            current = np.where(running, self.next[current], current)
            # the sum continues while the next record starts a transition too
            running &= ~stops & self.startable[current] & (self.next[current] != NONE)
        self._stack(slots, into.images)
        self._stack(current, into.next_images)
        for values, at, output in (
            (self.state, slots, into.state),
            (self.action, slots, into.action),
            (self.state, current, into.next_state),
            (self.human, slots, into.human),
        ):
            values.take(at, 0, output.numpy(), 'clip')
        return into

    def _stack(self, slots: Slots, into: tuple[torch.Tensor, ...]) -> None:
        """Stack the images of these slots and the ones before, oldest first.

        At an episode's start its first image is repeated.
        """
        sources = [slots]
        for _ in range(self.frame_stack - 1):
            before = self.previous[sources[0]]
            sources.insert(0, np.where(before == NONE, sources[0], before))
        for stored, output in zip(self.images, into):
            stack, channels = output.numpy(), stored.shape[3]
            if self.frame_stack == 1:
                stored.take(slots, 0, stack, 'clip')  # 'raise' would copy twice
                continue
            for i, source in enumerate(sources):
                image = stored[source]
                for channel in range(channels):  # five times as fast as all channels at once
                    stack[..., i * channels + channel] = image[..., channel]
