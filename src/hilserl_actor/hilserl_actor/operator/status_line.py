"""The cell's state as one line of text."""

from math import isnan

from so101_node.modes import Mode

from ..options import LEADER, SCRIPTED
from .mode_texts import learner_text
from .statuses import ActorStatus, LearnerStatus
from .success_text import episode_number, success_figures

SOURCES: dict[str, str] = {Mode.POLICY: 'policy', Mode.HUMAN: 'human', Mode.EVAL: 'policy'}


def status_line(
    actor: ActorStatus | None,
    learner: LearnerStatus | None,
    learner_gone: bool = False,
    teleop: str = LEADER,
) -> str:
    """Return the line for the latest statuses; None: none came yet."""
    if actor is None:
        return 'waiting for the actor'
    source = SOURCES.get(actor.mode, '-')
    if source == 'human' and teleop == SCRIPTED:
        source = 'scripted operator'
    parts = [
        f'{actor.mode:<6}',
        f'episode {episode_number(actor, learner)}',
        f'step {actor.step:>3}',
        f'source {source}',
        f'sigma {actor.sigma:.2f}',
        *(f'{name} {figures}' for name, figures in success_figures(actor, learner)),
    ]
    if actor.role == 'train':
        parts.append(f'helped {100 * actor.intervention_share:.0f} % in {actor.interventions}')
    if learner_gone:
        parts.append('learner gone')
    elif learner is not None:
        ratio = '-' if isnan(learner.update_ratio) else f'{learner.update_ratio:.2f}'
        parts.append(f'{learner_text(learner.state)}, {learner.updates} updates')
        parts += [f'ratio {ratio}'] if actor.role == 'train' else []
    parts += [
        f'policy v{actor.policy_version}',
        f'period {actor.period_ms_p50:.0f} ms (p99 {actor.period_ms_p99:.0f})',
    ]
    hint = '' if teleop == SCRIPTED else actor.hint
    parts += [text for text in (actor.message, hint) if text]
    return ' | '.join(parts)
