"""The rows of figures on the operator's screen, the most important ones first."""

from math import isnan

from rich.text import Text

from so101_node import names

from ..options import SCRIPTED
from .mode_texts import learner_text
from .statuses import ActorStatus, LearnerStatus
from .success_text import episode_number, success_figures

HOT = 50  # degrees C of a servo
Servos = dict[str, dict[str, dict[str, str]]]  # arm -> joint -> values
Row = tuple[str, Text]


def actor_rows(
    actor: ActorStatus,
    learner: LearnerStatus | None,
    outcomes: str,
    policy_age: float,
    teleop: str,
) -> list[Row]:
    """Return the rows of the actor's status. outcomes: one character an episode."""
    rows = [
        (
            'episode',
            f'{episode_number(actor, learner)}, step {actor.step}, {actor.episode_s:.1f} s',
        ),
        *success_figures(actor, learner),
    ]
    if actor.role == 'train':
        helped = 'scripted help' if teleop == SCRIPTED else 'your share'
        rows.append(
            (
                helped,
                f'{100 * actor.intervention_share:.0f} % in {actor.interventions} take-overs',
            )
        )
    if actor.reward_source.startswith(names.DETECTOR):
        rows.append(('reward', _judge(actor)))
    rows += [
        ('policy', _policy(actor, policy_age)),
        ('history', outcomes or '-'),
        ('sigma', f'{actor.sigma:.2f}'),
        (
            'period',
            f'{actor.period_ms_p50:.0f} ms, p99 {actor.period_ms_p99:.0f}, '
            f'{actor.missed_ticks} missed',
        ),
        ('steps', f'{actor.env_steps} of the run, {actor.dropped_steps} dropped'),
        ('image age', f'{actor.observation_age_ms:.0f} ms'),
    ]
    if actor.role == 'train':
        rows.append(('streak', f'{actor.streak} successes alone in a row'))
    return [(name, Text(text)) for name, text in rows]


def detail_rows(actor: ActorStatus) -> list[Row]:
    """Return rows for a high screen."""
    at_limit = '-' if isnan(actor.saturation) else f'{100 * actor.saturation:.0f} %'
    return [
        ('at limit', Text(f'{at_limit} of the actions')),
        ('limited', Text(actor.limited or '-')),
    ]


def learner_rows(learner: LearnerStatus) -> list[Row]:
    """Return the rows of the learner's status."""
    texts = [
        ('learner', learner_text(learner.state)),
        ('updates', f'{learner.updates}, {learner.updates_per_s:.1f} a second'),
        (
            'replay',
            f'{learner.replay_steps} steps, {learner.prior_steps} human, '
            f'{learner.rejected_steps} rejected',
        ),
        (
            'ratio',
            f'{learner.update_ratio:.2f} updates a step (target {learner.target_ratio:.2f})',
        ),
        ('checkpoint', learner.checkpoint or '-'),
    ]
    return [(name, Text(text)) for name, text in texts]


def arm_rows(servos: Servos) -> list[Row]:
    """Return a row for each arm: its hottest servo and its highest load."""
    rows = []
    for arm, joints in sorted(servos.items()):
        heat, hottest = max(
            (float(v.get('temperature_c', 0)), joint) for joint, v in joints.items()
        )
        load, loaded = max((abs(float(v.get('load', 0))), joint) for joint, v in joints.items())
        text = Text(
            f'{"HOT " if heat > HOT else ""}{heat:.0f} C at {hottest}',
            style='bold red' if heat > HOT else '',
        )
        text.append(f', load {100 * load:.0f} % at {loaded}', style='not bold default')
        rows.append((arm, text))
    return rows


def _judge(actor: ActorStatus) -> str:
    if isnan(actor.success_probability):
        return f'not sure ({actor.reward_source})'
    return f'success {100 * actor.success_probability:.0f} % ({actor.reward_source})'


def _policy(actor: ActorStatus, age: float) -> str:
    if not actor.policy_sha256:
        return 'none yet'
    if not actor.policy_version:  # of another program, which has no versions
        return f'of LeRobot, {actor.policy_sha256[:8]}'
    return f'version {actor.policy_version}, {actor.policy_sha256[:8]}, {age:.0f} s old'
