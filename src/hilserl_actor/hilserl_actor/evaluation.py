"""The result of an evaluation: success with its interval, time to success, every episode."""
import csv
import json
import os
from pathlib import Path
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


def write(data: dict, path: str | Path) -> None:
    """Write a report as JSON to `path`, and its episodes as CSV beside it; never half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = path.with_suffix('.csv')
    for target in (path, table):
        temporary = target.with_name(target.name + '.part')
        with open(temporary, 'w', encoding='utf-8', newline='') as file:
            if target is path:
                json.dump(data, file, indent=1)
            else:
                writer = csv.DictWriter(file, fieldnames=list(data['results'][0])
                                        if data['results'] else ['episode_id'])
                writer.writeheader()
                writer.writerows(data['results'])
        os.replace(temporary, target)
