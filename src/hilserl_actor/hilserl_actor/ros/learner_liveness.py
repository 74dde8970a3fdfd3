"""Whether the learner is there, as the actor sees it, and what was done while it was not."""

SILENCE = 3.0  # s without a word before it is taken for gone; it speaks once a second
NEWS = 10.0  # s for which its return is told


class LearnerLiveness:
    """Words heard from the learner, and steps made; all times s of a steady clock."""

    def __init__(self):
        self._heard: float | None = None
        self._steps = 0  # made when it was last heard
        self._back_until = 0.0
        self._lost = 0

    def heard(self, now: float, steps: int) -> None:
        """Note a word from it; `steps`: made by this actor so far."""
        if self._heard is not None and now - self._heard > SILENCE:
            self._lost, self._back_until = steps - self._steps, now + NEWS
        self._heard, self._steps = now, steps

    def sentence(self, now: float, steps: int) -> str:
        """What the operator should know; '' while all is well, or before it was ever heard."""
        if self._heard is None:
            return ''
        if now - self._heard > SILENCE:
            return (
                'the learner is gone; the last policy drives on, up to '
                f'{steps - self._steps} steps not recorded'
            )
        if now < self._back_until:
            return f'the learner is back; up to {self._lost} steps were not recorded'
        return ''
