"""How often the policy succeeded alone in the last episodes of a run."""

from collections import deque
from collections.abc import Iterable

RECENT = 20  # episodes over which the success of the policy is measured


class RecentSuccess:
    """The last `RECENT` episodes that count: id ('' before a resume), and success without help."""

    def __init__(self) -> None:
        self._episodes: deque[tuple[str, bool]] = deque(maxlen=RECENT)

    def __len__(self) -> int:
        return len(self._episodes)

    @property
    def outcomes(self) -> list[bool]:
        """Whether each episode succeeded without a human's help, oldest first."""
        return [alone for _, alone in self._episodes]

    @property
    def alone(self) -> int:
        """Episodes that succeeded without a human's help."""
        return sum(self.outcomes)

    @property
    def share(self) -> float:
        """Their share; 0 before the first episode."""
        return self.alone / max(len(self), 1)

    def add(self, episode_id: str, alone: bool) -> None:
        """Add an episode that ended."""
        self._episodes.append((episode_id, alone))

    def change(self, episode_id: str, alone: bool | None) -> None:
        """Change the outcome of an episode, if it is a recent one; None removes it."""
        changed = [
            (name, alone if name == episode_id else known)
            for name, known in self._episodes
            if name != episode_id or alone is not None
        ]
        self._episodes.clear()
        self._episodes.extend((name, bool(known)) for name, known in changed)

    def restart(self, outcomes: Iterable[bool]) -> None:
        """Replace the episodes by those of a checkpoint."""
        self._episodes.clear()
        self._episodes.extend(('', alone) for alone in outcomes)
