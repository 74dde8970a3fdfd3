"""One policy's evaluation: success with its interval, time to success, every episode.

It lives in a directory of its own, written after each episode, so that an interrupted one keeps
what it has and goes on with the situation that comes next.
"""

from collections.abc import Set
import csv
import io
import json
from pathlib import Path
from statistics import median

from hilserl_core.contract.evaluation_report import FORMAT, REPORT, read_report
from hilserl_core.contract.success_interval import wilson
from so101_node.durable import replace_file
from so101_node.errors import CellError

from ..loop.episode_stats import EpisodeResult, Tally

TABLE, BAGS = 'episodes.csv', 'bags'


def resumed(directory: Path) -> Tally:
    """The episodes that an evaluation has already."""
    tally = Tally()
    if (directory / REPORT).exists():
        names = EpisodeResult.__dataclass_fields__
        tally.results = [
            EpisodeResult(**{name: row[name] for name in names})
            for row in read_report(directory)['results']
        ]
    return tally


def report(tally: Tally, policy, about: dict, wanted: int, kept: Set[str] = frozenset()) -> dict:
    """Return a JSON-ready report. Intervals are 95 % (Wilson).

    about: what else is to stand in it (world, seed, ...); kept: ids of episodes with a bag.
    """
    successes, episodes = tally.successes, len(tally.results)
    low, high = wilson(successes, episodes)
    times = [r.seconds for r in tally.results if r.outcome == 'success']
    summary = (
        f'{successes} of {episodes} episodes succeeded '
        f'({100 * successes / max(1, episodes):.0f} %, 95 % interval '
        f'{100 * low:.0f} to {100 * high:.0f} %)'
    )
    if times:
        summary += f', median time to success {median(times):.1f} s'
    return {
        'format': FORMAT,
        'summary': summary,
        **about,
        'task': policy.schema.name,
        'schema_hash': policy.schema.hash,
        'policy_version': policy.version,
        'policy_updates': policy.updates,
        'policy_env_steps': policy.env_steps,
        'wanted': wanted,
        'complete': episodes >= wanted,
        'episodes': episodes,
        'successes': successes,
        'success_rate': successes / episodes if episodes else None,
        'interval': [low, high],
        'median_seconds_to_success': median(times) if times else None,
        'results': [
            {
                'situation': number,
                **result.as_dict(),
                'bag': f'{BAGS}/{result.episode_id}' if result.episode_id in kept else '',
            }
            for number, result in enumerate(tally.results)
        ],
    }


def write(data: dict, directory: Path, synced: bool = True) -> None:
    """Write a report as JSON and its episodes as CSV into `directory`; never half a file.

    synced: it outlives a power cut; the control loop does not wait for that between two ticks.
    """
    table = io.StringIO(newline='')
    if data['results']:
        writer = csv.DictWriter(table, fieldnames=list(data['results'][0]))
        writer.writeheader()
        writer.writerows(data['results'])
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in ((REPORT, json.dumps(data, indent=1)), (TABLE, table.getvalue())):
            replace_file(directory / name, text, synced)
    except OSError as error:
        raise CellError(
            f'results cannot be written to {directory}: {error}; what was there before is whole'
        ) from error
