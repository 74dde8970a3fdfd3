"""The files of one policy's evaluation. The actor writes them; the learner reads them too."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from so101_node.data_files import read_data

REPORT, TABLE, BAGS = 'report.json', 'episodes.csv', 'bags'
PICTURE = 'success.png'  # of all evaluations of a run, beside their directories
FORMAT: Literal['hilserl-evaluation-1'] = 'hilserl-evaluation-1'


class EvaluatedEpisode(msgspec.Struct, forbid_unknown_fields=True):
    """One episode. situation: its number; bag: path relative to the report, '' without a bag."""

    situation: int
    episode_id: str
    outcome: str
    seconds: float
    steps: int
    human_steps: int
    saturated: float  # share of action components at +-1
    bag: str


class EvaluationReport(msgspec.Struct, forbid_unknown_fields=True):
    """A whole report. Intervals are 95 % (Wilson)."""

    format: Literal['hilserl-evaluation-1']
    summary: str
    world: str
    seed: int
    task: str
    schema_hash: str
    policy_version: int
    policy_updates: int
    policy_env_steps: int
    wanted: int
    complete: bool
    episodes: int
    successes: int
    success_rate: float | None
    interval: tuple[float, float]
    median_seconds_to_success: float | None
    results: list[EvaluatedEpisode]
    policy: str = ''
    policy_sha256: str = ''


def read_report(directory: Path) -> dict[str, Any]:
    """Read the report in an evaluation's directory; CellError if it is damaged."""
    report = read_data(directory / REPORT, EvaluationReport, 'evaluation', 'remove it')
    data: dict[str, Any] = msgspec.to_builtins(report)
    return data
