"""The report of one policy's evaluation: success with its interval, time to success, episodes.

Each evaluation has its own directory. The report is written after each episode, so an interrupted
evaluation keeps its results and continues with the next situation.
"""

from collections.abc import Mapping, Set
import csv
import io
import json
from pathlib import Path
from statistics import median
from typing import Any

from hilserl_core.contract.evaluation_report import BAGS, FORMAT, REPORT, TABLE, read_report
from hilserl_core.contract.success_interval import wilson
from so101_node.durable import make_private, replace_file
from so101_node.errors import CellError

from ..loop.active_policy import DrivingPolicy
from ..loop.episode_stats import EpisodeResult, EpisodeStats


def read_results(directory: Path) -> EpisodeStats:
    """Return the episodes that an evaluation already has on disk."""
    stats = EpisodeStats()
    if (directory / REPORT).exists():
        names = EpisodeResult.__dataclass_fields__
        stats.results = [
            EpisodeResult(**{name: row[name] for name in names})
            for row in read_report(directory)['results']
        ]
    return stats


def report(
    stats: EpisodeStats,
    policy: DrivingPolicy,
    about: Mapping[str, object],
    wanted: int,
    kept: Set[str] = frozenset(),
) -> dict[str, Any]:
    """Return a JSON-ready report. Intervals are 95 % (Wilson).

    about: more fields of the report (world, seed, ...); kept: ids of episodes with a bag.
    """
    successes, episodes = stats.successes, len(stats.results)
    low, high = wilson(successes, episodes)
    times = [r.seconds for r in stats.results if r.outcome == 'success']
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
            for number, result in enumerate(stats.results)
        ],
    }


def write(data: dict[str, Any], directory: Path, synced: bool = True) -> None:
    """Write a report as JSON and its episodes as CSV into `directory`, each file atomically.

    synced: wait until the data would survive a power cut. The control loop does not wait for it
    between two ticks. Raises CellError if the files cannot be written.
    """
    table = io.StringIO(newline='')
    if data['results']:
        writer = csv.DictWriter(table, fieldnames=list(data['results'][0]))
        writer.writeheader()
        writer.writerows(data['results'])
    try:
        make_private(directory)
        for name, text in ((REPORT, json.dumps(data, indent=1)), (TABLE, table.getvalue())):
            replace_file(directory / name, text, synced)
    except OSError as error:
        raise CellError(
            f'results cannot be written to {directory}: {error}; the earlier files are unchanged'
        ) from error
