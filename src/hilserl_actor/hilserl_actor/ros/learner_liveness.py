"""Detects whether the learner runs, and counts the steps that it missed."""

SILENCE = 3.0  # s without a status before the learner counts as gone; it publishes each second
NEWS_TIME = 10.0  # s for which its return is in the status


class LearnerLiveness:
    """Receives the times of the learner's messages. All times: s of a steady clock."""

    def __init__(self) -> None:
        self._received: float | None = None
        self._steps = 0  # steps made when the last message arrived
        self._back_until = 0.0
        self._lost = 0
        self._link: tuple[float, str] | None = None  # when its last status came, its sentence

    def link_received(self, now: float, sentence: str) -> None:
        """Note a status of the link to a learner on another host: it keeps all steps.

        sentence: what is wrong; '': nothing.
        """
        self._link = (now, sentence)

    def received(self, now: float, steps: int) -> None:
        """Note a message from the learner; `steps`: made by this actor so far."""
        if self._received is not None and now - self._received > SILENCE:
            self._lost, self._back_until = steps - self._steps, now + NEWS_TIME
        self._received, self._steps = now, steps

    def sentence(self, now: float, steps: int) -> str:
        """Return a sentence for the operator; '' if the learner runs or never ran."""
        if self._link is not None and now - self._link[0] <= SILENCE:
            return self._link[1]
        if self._received is None:
            return ''
        if now - self._received > SILENCE:
            return (
                'the learner is gone; the last policy drives on, up to '
                f'{steps - self._steps} steps not recorded'
            )
        if now < self._back_until:
            return f'the learner is back; up to {self._lost} steps were not recorded'
        return ''
