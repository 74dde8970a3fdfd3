"""What a page shows of a cell, as plain values for JSON. Free of ROS.

The figures are those of the operator's screen. Times: s of a steady clock.
"""

from collections import deque
from math import isfinite
from typing import Any

from hilserl_actor.operator.figures import HOT, Servos
from hilserl_actor.operator.keyboard import STOP_KEYS, key_rows, name_of
from hilserl_actor.operator.keyboard import keys_of as services_of
from hilserl_actor.operator.keyboard_teleop import DIRECTIONS
from hilserl_actor.operator.mode_texts import COLOURS, learner_text, mode_text
from hilserl_actor.operator.screen import LEVELS, Screen
from hilserl_actor.operator.statuses import ActorStatus, LearnerStatus
from hilserl_actor.operator.success_text import episode_number, recent_alone
from hilserl_actor.options import BY_KEYS, LEADER, SCRIPTED
from hilserl_core.contract.success_interval import wilson
from so101_node.modes import Mode

HISTORY = 200  # episodes of the trends
END = 'end'  # the key that ends the cell
# mode -> keys of the main buttons; the first one is the main one
MAIN_KEYS: dict[str, tuple[str, ...]] = {
    Mode.IDLE: (' ',),
    Mode.READY: (' ', 'p'),
    Mode.RESET: ('p',),
    Mode.POLICY: ('i', 's', 'f', 'p'),
    Mode.HUMAN: ('o', 's', 'f', 'd'),
    Mode.EVAL: ('s', 'f', 'p'),
    Mode.PAUSED: ('p',),
    Mode.ESTOP: ('c',),
}
DRIVERS: dict[str, str] = {Mode.POLICY: 'policy', Mode.EVAL: 'policy', Mode.HUMAN: 'human'}
NO_DRIVING = {
    SCRIPTED: 'the scripted operator drives here; to drive by this page, start the cell with '
    'operator:=person',
    LEADER: 'a person drives through the leader arm here; to drive by this page, start the cell '
    'with leader:=keys',
}


def keys_of(teleop: str, ends: bool) -> list[dict[str, Any]]:
    """Return the keys of the terminal for the page: key, name, text, short text, whether a stop.

    ends: whether the page can end the cell.
    """
    keys = [*STOP_KEYS, *services_of(teleop)]
    by_name = {name_of(key): key for key in keys}
    found = [
        {
            'key': by_name[name],
            'name': name,
            'text': text,
            'short': short,
            'stop': by_name[name] in STOP_KEYS,
        }
        for name, text, short in key_rows(teleop if teleop in BY_KEYS else LEADER)
        if name in by_name
    ]
    last = {'key': END, 'name': '', 'text': 'end the cell', 'short': 'end', 'stop': False}
    return found + [last] * ends


def drive_keys() -> dict[str, tuple[int, ...]]:
    """Return key -> direction (4,), for driving."""
    return dict(DIRECTIONS)


def main_keys(mode: str, role: str) -> list[str]:
    """Return the keys of the main buttons; a recording is never given back to a policy."""
    return [key for key in MAIN_KEYS.get(mode, ()) if (key, role) != ('o', 'record')]


class Trends:
    """Past episodes, for the curves: length, success alone, human share."""

    def __init__(self) -> None:
        self.episodes: deque[dict[str, float]] = deque(maxlen=HISTORY)
        self._before: ActorStatus | None = None

    def note(self, before: ActorStatus | None, status: ActorStatus) -> None:
        """Note a status; before: the one before it."""
        if before is None or status.episodes <= before.episodes:
            return
        self.episodes.append(
            {
                'seconds': round(before.episode_s, 1),
                'alone': float(status.alone > before.alone),
                'success': float(status.successes > before.successes),
                'human': round(status.intervention_share, 3),
            }
        )


def state(screen: Screen, trends: Trends, teleop: str, rate: float, now: float) -> dict[str, Any]:
    """Return what the page shows now. rate: of the loop, Hz."""
    actor, learner = screen.actor, screen.learner
    learner_gone = screen.learner_gone(now)
    found: dict[str, Any] = {
        'mode': '',
        'driver': '',
        'why': 'waiting for the actor',
        'warnings': warnings(screen.warnings),
        'log': [{'level': style, 'text': text} for style, text in screen.lines],
        'servos': servo_figures(screen.servos),
    }
    if learner_gone:
        found['warnings'].append(
            {
                'level': 'bad',
                'name': 'learner',
                'text': 'it sends no status; the arm goes on, nothing is learned; see the log',
            }
        )
    if actor is None:
        return found
    gone = screen.actor_gone(now)
    mode = str(actor.mode)
    hint = '' if teleop == SCRIPTED else actor.hint
    if gone:
        found['why'] = 'no status from the actor: press STOP if the arm moves'
    else:
        found['why'] = actor.message or hint or mode_text(mode, teleop)
    found |= {
        'mode': mode,
        'text': mode_text(mode, teleop),
        'colour': COLOURS.get(mode, 'white'),
        'gone': gone,
        'role': actor.role,
        'driver': '' if gone else DRIVERS.get(mode, ''),
        'main': [] if gone else main_keys(mode, actor.role),
        'success': success(actor, None if learner_gone else learner),
        'episode': episode_number(actor, learner),
        'step': actor.step,
        'episode_s': round(actor.episode_s, 1),
        'episodes': actor.episodes,
        'wanted': actor.wanted,
        'env_steps': actor.env_steps,
        'minutes': round(actor.env_steps / rate / 60.0, 1),
        'human_share': number(actor.intervention_share),
        'take_overs': actor.interventions,
        'policy': {
            'version': actor.policy_version,
            'sha': actor.policy_sha256[:8],
            'age_s': round(screen.policy_age(now)),
        },
        'judge': {
            'source': actor.reward_source,
            'probability': number(actor.success_probability),
        },
        'period_ms': [round(actor.period_ms_p50, 1), round(actor.period_ms_p99, 1)],
        'missed': actor.missed_ticks,
        'outcomes': ''.join(screen.outcomes),
        'trends': list(trends.episodes),
        'rows': [[name, text.plain] for name, text in screen.rows(actor, now, True)],
    }
    if learner is not None and not learner_gone:
        found['learner'] = {
            'text': learner_text(learner.state),
            'updates': learner.updates,
            'ratio': number(learner.update_ratio),
            'target': number(learner.target_ratio),
            'per_s': number(learner.updates_per_s),
        }
    return found


def warnings(found: dict[str, tuple[int, str]]) -> list[dict[str, str]]:
    """Return the warnings of /diagnostics; that of an arm includes those of its servos."""
    return [
        {'level': 'warn' if LEVELS.get(level) == 'yellow' else 'bad', 'name': name, 'text': text}
        for name, (level, text) in sorted(found.items())
        if name.rpartition(': ')[0] not in found
    ]


def success(actor: ActorStatus, learner: LearnerStatus | None) -> dict[str, Any]:
    """Return successes without help of the last episodes, with their 95 % Wilson interval."""
    if actor.role == 'train':
        part, whole = recent_alone(actor, learner)
    elif actor.role == 'record':
        part, whole = actor.successes, actor.episodes
    else:
        part, whole = actor.alone, actor.episodes
    if not whole:
        return {'part': 0, 'whole': 0}
    low, high = wilson(part, whole)
    return {
        'part': part,
        'whole': whole,
        'low': round(float(low), 3),
        'high': round(float(high), 3),
    }


def servo_figures(servos: Servos) -> dict[str, dict[str, Any]]:
    """Return of each arm: hottest servo, lowest supply, load of the gripper, lost answers."""
    found = {}
    for arm, joints in sorted(servos.items()):
        heat, hottest = max((_value(v, 'temperature_c'), joint) for joint, v in joints.items())
        volts = [_value(v, 'voltage_min_v') for v in joints.values() if 'voltage_min_v' in v]
        found[arm] = {
            'hottest': hottest,
            'temperature': heat,
            'hot': heat > HOT,
            'supply': min(volts) if volts else None,
            'grip': abs(_value(joints.get('gripper', {}), 'load')),
            'lost': sum(_value(v, 'answers_lost') for v in joints.values()),
        }
    return found


def number(value: float) -> float | None:
    """Return a number for JSON: three digits; None for one that is not finite."""
    return round(float(value), 3) if isfinite(value) else None


def _value(values: dict[str, str], key: str) -> float:
    try:
        found = float(values.get(key, 0.0))
    except ValueError:
        return 0.0
    return found if isfinite(found) else 0.0
