"""A summary of each episode, made from its steps when its last record is in."""

from dataclasses import dataclass

from hilserl_core.contract.action_check import ActionCheck
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.task import TaskSchema

MAX_OPEN = 100  # episodes without their last record


@dataclass(frozen=True)
class EpisodeSummary:
    """A finished episode."""

    problem: str  # why its actions cannot be right, or ''
    discarded: bool
    scalars: dict[str, float]  # success, steps, human_share; empty if it was discarded


class EpisodeSummaries:
    """Follows episodes step by step; several may interleave."""

    def __init__(self, schema: TaskSchema):
        self._schema = schema
        self._open: dict[str, tuple[ActionCheck, list[bool]]] = {}

    def add_step(self, step: StepRecord) -> EpisodeSummary | None:
        """Add a step; returns the summary when it was the episode's last."""
        if step.episode_id not in self._open and len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]  # the oldest; its last record never came
        check, human = self._open.setdefault(step.episode_id, (ActionCheck(self._schema), []))
        check.add_step(step)
        if not step.last:
            human.append(step.source == Source.HUMAN)
            return None
        del self._open[step.episode_id]
        if step.outcome == Outcome.DISCARDED:
            return EpisodeSummary('', True, {})
        return EpisodeSummary(
            check.problem(),
            False,
            {
                'success': float(step.outcome == Outcome.SUCCESS),
                'steps': float(len(human)),
                'human_share': sum(human) / max(len(human), 1),
            },
        )
