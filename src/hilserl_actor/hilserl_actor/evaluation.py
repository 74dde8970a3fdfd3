"""The result of an evaluation: success with its interval, time to success, every episode."""
from statistics import median

from .tally import Tally, wilson


def report(tally: Tally, policy, schema) -> dict:
    """Return a JSON-ready report. Intervals are 95 % (Wilson)."""
    successes, episodes = tally.successes, len(tally.results)
    low, high = wilson(successes, episodes)
    times = [r.seconds for r in tally.results if r.outcome == 'success']
    summary = (f'{successes} of {episodes} episodes succeeded '
               f'({100 * successes / max(1, episodes):.0f} %, 95 % interval '
               f'{100 * low:.0f} to {100 * high:.0f} %)')
    if times:
        summary += f', median time to success {median(times):.1f} s'
    return {
        'summary': summary, 'task': schema.name, 'schema_hash': schema.hash,
        'policy_version': policy.version if policy else 0,
        'policy_updates': policy.updates if policy else 0,
        'episodes': episodes, 'successes': successes,
        'success_rate': successes / episodes if episodes else None, 'interval': [low, high],
        'median_seconds_to_success': median(times) if times else None,
        'results': [r.as_dict() for r in tally.results],
    }
