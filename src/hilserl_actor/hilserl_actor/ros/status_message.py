"""The status of the control loop as a message, once a tick."""

from math import nan

import numpy as np

from so101_interfaces.msg import ActorStatus

from ..loop.control import ControlLoop
from ..loop.episode_stats import LoopTiming


def actor_status(loop: ControlLoop, timing: LoopTiming, now: float, message: str) -> ActorStatus:
    """Return a ControlLoop's status at `now` (s, monotonic), without the node's own fields."""
    stats, episode = loop.stats, loop.episode
    latencies = loop.active_policy.latencies
    return ActorStatus(
        mode=loop.machine.mode.value,
        role=loop.role,
        episode_id=episode.id if episode else '',
        episode=len(stats.results) + 1,
        step=episode.index if episode else 0,
        episode_s=now - episode.started if episode else 0.0,
        env_steps=loop.env_steps,
        episodes=len(stats.results),
        successes=stats.successes,
        alone=stats.alone,
        success_rate=stats.success_rate,
        interventions=stats.interventions,
        intervention_share=stats.intervention_share,
        sigma=loop.sigma,
        streak=stats.streak,
        hint=stats.hint if loop.role == 'train' else '',
        policy_version=loop.policy.version if loop.policy else 0,
        policy_sha256=loop.active_policy.sha256,
        weights_latency_ms=float(np.percentile(latencies, 99)) * 1e3 if latencies else nan,
        period_ms_p50=timing.percentile_ms(50),
        period_ms_p99=timing.percentile_ms(99),
        missed_ticks=timing.missed,
        dropped_steps=loop.dropped + (episode.dropped if episode else 0),
        saturation=stats.recent(lambda r: r.saturated),
        message=message,
    )
