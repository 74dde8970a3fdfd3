"""Success in words. A success of the policy is one without help; others are named as such."""

from .statuses import ActorStatus, LearnerStatus

RECENT = 20  # episodes in a success rate


def share(part: int, whole: int) -> str:
    """Return `14 of 20 (70 %)`; '-' of none."""
    return f'{part} of {whole} ({100 * part / whole:.0f} %)' if whole else '-'


def recent_alone(actor: ActorStatus, learner: LearnerStatus | None) -> tuple[int, int]:
    """Return the policy's successes without help among the last episodes, and their number.

    The learner also knows the episodes before a resume.
    """
    if learner is not None and learner.recent_episodes:
        return learner.recent_alone, learner.recent_episodes
    episodes = min(RECENT, actor.episodes)
    return round(actor.success_rate * episodes) if episodes else 0, episodes


def episode_number(actor: ActorStatus, learner: LearnerStatus | None) -> int:
    """Return the number of the running episode; in training, of the run."""
    if actor.role == 'train' and learner is not None:
        return max(actor.episode, learner.episodes + 1)
    return actor.episode


def success_figures(actor: ActorStatus, learner: LearnerStatus | None) -> list[tuple[str, str]]:
    """Return names and figures of success, by the actor's role."""
    if actor.role == 'record':
        wanted = f'{actor.episodes} of {actor.wanted}' if actor.wanted else f'{actor.episodes}'
        return [('recorded', wanted), ('succeeded', share(actor.successes, actor.episodes))]
    if actor.role == 'eval':
        return [('alone', share(actor.alone, actor.episodes))]
    return [
        ('alone', share(*recent_alone(actor, learner))),
        ('with help', share(actor.successes - actor.alone, actor.episodes)),
    ]
