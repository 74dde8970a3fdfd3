"""The evaluations of one start, one policy after another; what each episode leaves behind."""

from collections.abc import Callable
from pathlib import Path

from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import Policy
from so101_node.errors import CellError

from ..loop.episode_stats import Tally
from .plot import plot
from .report import BAGS, report, resumed, write

FAILED = (Outcome.FAILURE, Outcome.TIMEOUT)
JUDGED = (*FAILED, Outcome.SUCCESS)


class Series:
    """Takes steps and tallies in, leaves reports and bags; used by the loop's thread alone.

    policies and directories: one each. keep: 'failures' or 'all' episodes get a bag. about: what
    else is to stand in the reports. CellError for a policy that does not fit the task.
    """

    def __init__(
        self,
        policies: list[Path],
        directories: list[Path],
        schema: TaskSchema,
        episodes: int,
        keep: str,
        about: dict,
        log: Callable[[str], object],
        start_thread: Callable,
    ):
        self._schema, self._episodes, self._about = schema, episodes, about
        self._kept_outcomes = JUDGED if keep == 'all' else FAILED
        self._log, self._start_thread = log, start_thread
        # all of them now: a damaged one is found before the first episode, not after an hour
        self._waiting = [
            (_load(path, schema), path, directory)
            for path, directory in zip(policies, directories, strict=True)
        ]
        self._recorder: Recorder | None = None
        self._episode: list[StepRecord] = []
        self.finished = False
        self._begin()

    def _begin(self) -> None:
        # of the policy that is evaluated now: `policy`, `tally`
        self.policy, path, self._directory = self._waiting.pop(0)
        self._evaluated = {'policy': str(path), 'policy_sha256': self.policy.sha256, **self._about}
        self.tally: Tally = resumed(self._directory)
        self._written = len(self.tally.results)
        self._kept = {bag.name for bag in (self._directory / BAGS).glob('*/')}
        self._log(
            f'evaluating {path}: version {self.policy.version}, {self.policy.updates:,} '
            f'updates, {self._written} of {self._episodes} episodes done; results in '
            f'{self._directory}'
        )

    def take(self, step: StepRecord) -> None:
        """Note a step; an episode that is to be kept goes into a bag when it is over."""
        if self._episode and self._episode[0].episode_id != step.episode_id:
            self._episode.clear()  # broken off
        self._episode.append(step)
        if not step.last:
            return
        episode, self._episode = self._episode, []
        if step.outcome in self._kept_outcomes:
            if self._recorder is None:
                bags = self._directory / BAGS
                bags.mkdir(parents=True, exist_ok=True)
                self._recorder = Recorder(bags, self._schema, self._log)
                self._thread = self._start_thread(self._recorder.run)
            for record in episode:
                self._recorder.record(record)
            self._kept.add(step.episode_id)

    def attend(self) -> bool:
        """Write what is new, and go on to the next policy; False when all are evaluated.

        Call it between two ticks; `policy` and `tally` may be others afterwards.
        """
        count = len(self.tally.results)
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
        # The results are on disk; whatever goes wrong with the picture must not fail them.
        try:
            picture = plot(self._directory.parent)
            self._log(f'all evaluations of the run in one picture: {picture}')
        except Exception as error:
            self._log(
                f'no picture of the evaluations ({type(error).__name__}: {error}); '
                f'the results are in {self._directory}'
            )

    def _write(self, synced: bool) -> dict:
        data = report(self.tally, self.policy, self._evaluated, self._episodes, self._kept)
        write(data, self._directory, synced)
        return data

    def close(self) -> None:
        """Complete the bags, say the result."""
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
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CellError(f'policy {path} cannot be read: {error.strerror}') from error
    return Policy.from_bytes(data, schema.hash)
