"""What an episode was, said when its last record is in: learned from or not, and its figures."""

from dataclasses import dataclass

from hilserl_core.contract.action_check import ActionCheck
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.task import TaskSchema


@dataclass(frozen=True)
class Judgement:
    """A finished episode."""

    problem: str  # why its actions cannot be right, or ''
    discarded: bool
    scalars: dict[str, float]  # for the curves; none of a discarded episode


class Judge:
    """Follows episodes step by step; several may interleave."""

    def __init__(self, schema: TaskSchema):
        self._schema = schema
        self._open: dict[str, tuple[ActionCheck, list[bool]]] = {}

    def take(self, step: StepRecord) -> Judgement | None:
        """Take a step in; returns the judgement when it was the episode's last."""
        check, human = self._open.setdefault(step.episode_id, (ActionCheck(self._schema), []))
        check.add(step)
        if not step.last:
            human.append(step.source == Source.HUMAN)
            return None
        del self._open[step.episode_id]
        discarded = step.outcome == Outcome.DISCARDED
        return Judgement(
            '' if discarded else check.problem(),
            discarded,
            {}
            if discarded
            else {
                'success': float(step.outcome == Outcome.SUCCESS),
                'steps': float(len(human)),
                'human_share': sum(human) / max(len(human), 1),
            },
        )
