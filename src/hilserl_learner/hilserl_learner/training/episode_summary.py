"""A summary of each episode, made from its steps when its last record is in."""

from dataclasses import dataclass

from hilserl_core.bags.episode_list import counts
from hilserl_core.contract.action_check import ActionCheck
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.task import TaskSchema

MAX_OPEN = 100  # episodes without their last record


@dataclass(frozen=True)
class EpisodeSummary:
    """A finished episode."""

    problem: str  # why its actions cannot be right, or ''
    outcome: Outcome
    steps: int  # with an action
    human_steps: int

    @property
    def counts(self) -> bool:
        """Whether it counts as an episode: it was neither aborted nor discarded."""
        return counts(self.outcome)

    @property
    def alone(self) -> bool:
        """Whether the policy succeeded without help."""
        return self.outcome == Outcome.SUCCESS and not self.human_steps

    @property
    def scalars(self) -> dict[str, float]:
        """What the curves show of it; empty if it does not count."""
        if not self.counts:
            return {}
        return {
            'success_alone': float(self.alone),
            'success_with_help': float(self.outcome == Outcome.SUCCESS and not self.alone),
            'steps': float(self.steps),
            'human_share': self.human_steps / max(self.steps, 1),
        }


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
        outcome = Outcome(step.outcome)
        problem = '' if outcome == Outcome.DISCARDED else check.problem()
        return EpisodeSummary(problem, outcome, len(human), sum(human))
