"""Runs the evaluations of one start, one policy after another; writes reports and bags."""

from collections.abc import Callable, Mapping
from pathlib import Path
import threading
from typing import Any

from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.evaluation_report import BAGS
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.checkpoint_names import MAX_POLICY
from hilserl_core.policy.inference import Policy
from so101_node.durable import make_private
from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes

from ..loop.active_policy import DrivingPolicy
from ..loop.episode_stats import EpisodeStats
from .plot import plot
from .report import read_results, report, write

FAILED = (Outcome.FAILURE, Outcome.TIMEOUT)
COUNTED = (*FAILED, Outcome.SUCCESS)


class EvaluationRunner:
    """Receives steps and episode statistics; writes reports and bags. For the loop's thread only.

    policies and directories: one directory for each policy. keep: whether 'failures' or 'all'
    episodes get a bag. about: more fields of the reports. other: a policy of another program,
    evaluated instead of the files. Raises CellError for a policy of another task.
    """

    def __init__(
        self,
        policies: list[Path],
        directories: list[Path],
        schema: TaskSchema,
        episodes: int,
        keep: str,
        about: Mapping[str, object],
        log: Callable[[str], object],
        start_thread: Callable[[Callable[[], None]], threading.Thread],
        other: DrivingPolicy | None = None,
    ):
        self._schema, self._episodes, self._about = schema, episodes, about
        self._kept_outcomes = COUNTED if keep == 'all' else FAILED
        self._log, self._start_thread = log, start_thread
        # Load all policies now, to find a damaged one before the first episode.
        self._waiting = [
            (other or _load(path, schema), path, directory)
            for path, directory in zip(policies, directories, strict=True)
        ]
        self._recorder: Recorder | None = None
        self._episode: list[StepRecord] = []
        self.finished = False
        self._begin()

    def _begin(self) -> None:
        # `policy` and `stats` are those of the policy that is evaluated now.
        self.policy, path, self._directory = self._waiting.pop(0)
        self._evaluated = {'policy': str(path), 'policy_sha256': self.policy.sha256, **self._about}
        self.stats: EpisodeStats = read_results(self._directory)
        self._written = len(self.stats.results)
        self._kept = {bag.name for bag in (self._directory / BAGS).glob('*/')}
        self._log(
            f'evaluating {path}: version {self.policy.version}, {self.policy.updates:,} '
            f'updates, {self._written} of {self._episodes} episodes done; results in '
            f'{self._directory}'
        )

    def record_step(self, step: StepRecord) -> None:
        """Collect a step; when its episode ends, write a bag if `keep` asks for one."""
        if self._episode and self._episode[0].episode_id != step.episode_id:
            self._episode.clear()  # the loop aborted it without a final observation
        self._episode.append(step)
        if not step.last:
            return
        episode, self._episode = self._episode, []
        if step.outcome in self._kept_outcomes:
            if self._recorder is None:
                bags = self._directory / BAGS
                make_private(bags)
                self._recorder = Recorder(bags, self._schema, self._log)
                self._thread = self._start_thread(self._recorder.run)
            for record in episode:
                self._recorder.record(record)
            self._kept.add(step.episode_id)

    def advance(self) -> bool:
        """Write new results; after the last episode, go on to the next policy.

        Returns False when all policies are evaluated. Call it between two ticks; it may change
        `policy` and `stats`.
        """
        count = len(self.stats.results)
        if count > self._written:
            self._written = count
            self._write(synced=False)  # after each episode, by the control loop
        if count < self._episodes:
            return True
        self.close()
        if self._waiting:
            self._begin()
            return True
        self.finished = True
        self._plot()
        return False

    def _plot(self) -> None:
        # The results are on disk already, so no error of the plot may fail the evaluation.
        try:
            file = plot(self._directory.parent)
            self._log(f'plot of all evaluations of the run: {file}')
        except Exception as error:
            self._log(
                f'the evaluations cannot be plotted ({type(error).__name__}: {error}); '
                f'the results are in {self._directory}'
            )

    def _write(self, synced: bool) -> dict[str, Any]:
        data = report(self.stats, self.policy, self._evaluated, self._episodes, self._kept)
        write(data, self._directory, synced)
        return data

    def close(self) -> None:
        """Complete the bags; write and log the result."""
        if self._recorder:
            self._recorder.finish()
            self._thread.join(2.0)
            self._recorder = None
        data = self._write(synced=True)
        if data['complete']:
            self._log(data['summary'])
        else:
            self._log(
                f'interrupted after {data["episodes"]} of {self._episodes} episodes: '
                f'{data["summary"]}; the same command goes on from there'
            )


def _load(path: Path, schema: TaskSchema) -> Policy:
    data = read_bytes(path, 'policy', MAX_POLICY)
    try:
        return Policy.from_bytes(data, schema.hash)
    except CellError as error:
        raise CellError(f'policy {path} cannot be evaluated: {error}') from error
