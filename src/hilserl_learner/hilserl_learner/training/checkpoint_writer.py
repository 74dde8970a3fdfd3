"""Checkpoints written beside training: a copy is taken between two updates, a thread writes it."""

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
import os

from ..agent.drqv2 import Agent
from .checkpoints import Checkpoint, Checkpoints, Snapshot, load

RECENT = 20  # episodes over which success is judged


class Saver:
    """Writes checkpoints and knows how well the policy did lately. For the training thread."""

    def __init__(self, checkpoints: Checkpoints):
        self.last = ''  # name of the last one that is on disk
        self.saved_updates = 0
        self.failed = False  # the disk did not take one
        self._checkpoints = checkpoints
        self._outcomes: deque[bool] = deque(maxlen=RECENT)
        self._writing: list[tuple[Future, Future | None]] = []
        # below training, which is below the control loop
        self._thread = ThreadPoolExecutor(1, 'saver', initializer=lambda: os.nice(5))

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from this one."""
        self.last = checkpoint.directory.name
        self.saved_updates = checkpoint.state['updates']
        self._outcomes.extend(checkpoint.state.get('outcomes', []))

    def judge(self, success: bool, human_share: float) -> None:
        """An episode ended. What a human had a hand in says nothing of the policy alone."""
        self._outcomes.append(success and human_share == 0.0)

    @property
    def success(self) -> float:
        """Share of the last episodes that the policy ended well by itself."""
        return sum(self._outcomes) / max(len(self._outcomes), 1)

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written."""
        return bool(self._writing)

    def save(self, agent: Agent, state: Mapping, answer: Future | None = None) -> None:
        """Take a copy now, write it soon; `answer` is given its name when it is on disk."""
        self.saved_updates = state['updates']
        state = {
            **state,
            'outcomes': list(self._outcomes),
            'success': self.success,
            'judged': len(self._outcomes),
        }
        self._writing.append(
            (self._thread.submit(self._checkpoints.save, Snapshot.of(agent), state), answer)
        )

    def attend(self) -> None:
        """Take note of what was written. CellError if it could not be."""
        while self._writing and self._writing[0][0].done():
            written, answer = self._writing.pop(0)
            self.failed = written.exception() is not None
            self.last = written.result().name
            if answer:
                answer.set_result(self.last)

    def roll_back(self) -> Checkpoint | None:
        """The best checkpoint, or the newest while none is judged. Waits for the disk."""
        self.finish()
        name = self._checkpoints.best() or self.last
        if not name:
            return None
        checkpoint = load(self._checkpoints.directory / name)
        self._outcomes.clear()
        self._outcomes.extend(checkpoint.state['outcomes'])
        return checkpoint

    def finish(self) -> None:
        """Wait until all is on disk."""
        for written, _ in self._writing:
            written.exception()
        self.attend()

    def close(self) -> None:
        """Write what is under way and end the thread."""
        self._thread.shutdown(wait=True)
        self.attend()
