"""Finds where the clock was set while a recording was made.

Times before and after such a moment cannot be compared, so the recording is cut there. A pause of
the whole recording looks like a clock that was set forward, and is cut as well.
"""

BACK = 50_000_000  # ns by which the times of recording of one topic may go back
FORWARD = 10 * 10**9  # ns without any message
DRIFT = 10**9  # ns by which a publisher's clock may move against the recorder's at once


class ClockSteps:
    """The parts of one recording. steps: by how much the clock was set at each cut, s."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self._recorded: dict[int, int] = {}  # topic -> time of recording of its last message
        self._ahead: dict[int, int] = {}  # topic -> that time minus the message's stamp
        self._latest: int | None = None

    def part_of(self, topic: int, recorded: int, stamp: int) -> int:
        """Return the number of the part that the next message in the file belongs to. Times: ns.

        topic: its number.
        """
        if step := self._step(topic, recorded, stamp):
            self.steps.append(step * 1e-9)
            self._recorded, self._ahead, self._latest = {}, {}, None
        self._recorded[topic], self._ahead[topic] = recorded, recorded - stamp
        self._latest = max(recorded, self._latest or recorded)
        return len(self.steps)

    def _step(self, topic: int, recorded: int, stamp: int) -> int:
        before = self._recorded.get(topic, recorded)
        if recorded < before - BACK:
            return recorded - before
        if self._latest is not None and recorded > self._latest + FORWARD:
            return recorded - self._latest
        moved = self._ahead.get(topic, recorded - stamp) - (recorded - stamp)
        return moved if abs(moved) > DRIFT else 0

    def note(self) -> str:
        """Return a sentence on the cuts, '' if there are none."""
        if not self.steps:
            return ''
        each = ', '.join(
            f'{"forward" if step > 0.0 else "back"} by {abs(step):,.1f} s'
            for step in self.steps[:5]
        ) + (f' and {len(self.steps) - 5} more' if len(self.steps) > 5 else '')
        return (
            f'the clock was set while this was recorded ({each}): episodes are cut there, and no '
            'step crosses it'
        )
