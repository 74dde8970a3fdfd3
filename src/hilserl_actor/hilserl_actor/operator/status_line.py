"""The cell's state as one line of text."""

from math import isnan

from so101_node.modes import Mode

from .statuses import ActorStatus, LearnerStatus

SOURCES: dict[str, str] = {Mode.POLICY: 'policy', Mode.HUMAN: 'human', Mode.EVAL: 'policy'}


def status_line(
    actor: ActorStatus | None, learner: LearnerStatus | None, learner_gone: bool = False
) -> str:
    """Return the line for the latest statuses; None: none came yet."""
    if actor is None:
        return 'waiting for the actor'
    source = SOURCES.get(actor.mode, '-')
    rate = '' if isnan(actor.success_rate) else f' ({100 * actor.success_rate:.0f} %)'
    parts = [
        f'{actor.mode:<6}',
        f'episode {actor.episode}',
        f'step {actor.step:>3}',
        f'source {source}',
        f'sigma {actor.sigma:.2f}',
        f'success {actor.successes}/{actor.episodes}{rate}',
        f'human {100 * actor.intervention_share:.0f} % in {actor.interventions}',
    ]
    if learner_gone:
        parts.append('learner gone')
    elif learner is not None:
        ratio = '-' if isnan(learner.update_ratio) else f'{learner.update_ratio:.2f}'
        parts += [f'{learner.state.lower()} {learner.updates} updates', f'ratio {ratio}']
    parts += [
        f'policy v{actor.policy_version}',
        f'period {actor.period_ms_p50:.0f} ms (p99 {actor.period_ms_p99:.0f})',
    ]
    parts += [text for text in (actor.message, actor.hint) if text]
    return ' | '.join(parts)
