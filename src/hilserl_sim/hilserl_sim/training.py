"""A training run in simulated time: demonstrations, learning with interventions, evaluations.

Robot minutes are the time that a robot would need: steps, resets and the operator's delays. They
do not include demonstrations (`record_demonstrations` returns their minutes) and evaluations.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
import threading

from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.steps import Source, StepRecord
from hilserl_core.contract.success_interval import wilson
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.inference import Policy
from hilserl_learner.training.options import LearnerOptions
from so101_sim.scripted_operator import operator_for

from .cell import Judge, SimulatedCell
from .learner import SimulatedLearner

EVALUATION_SEED = 1_000_000  # a seed that no training run uses
FLEET_SEED = 1000  # between the seeds of two cells of one run


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating one policy."""

    minutes: float  # robot minutes of training before it
    updates: int
    successes: int
    episodes: int
    seconds: float  # median time to success; 0 without success
    human_minutes: float = 0.0  # in which a human drove, before it

    @property
    def success(self) -> float:
        """Share of successes."""
        return self.successes / self.episodes

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the success rate (Wilson)."""
        return wilson(self.successes, self.episodes)


@dataclass
class Progress:
    """The state of a run, for a display."""

    minutes: float = 0.0
    episodes: int = 0
    updates: int = 0
    human_share: float = 0.0  # of steps, last 20 episodes
    human_minutes: float = 0.0  # in which a human drove
    evaluations: list[Evaluation] = field(default_factory=list)
    interrupted: bool = False
    bundle: bytes = b''  # the policy at the end


def unchanged(step: StepRecord) -> StepRecord:
    """The step, unchanged."""
    return step


def record_demonstrations(
    schema: TaskSchema,
    directory: Path,
    count: int,
    seed: int,
    world: str,
    change: Callable[[StepRecord], StepRecord] = unchanged,
    task: str = '',
) -> float:
    """Record `count` episodes of the scripted operator in bags. Return the robot minutes.

    change: a function that is applied to each step before it is stored (for experiments). task:
    the path of the task's file, if it is not an installed one.
    """
    recorder = Recorder(directory, schema, lambda sentence: None)
    cell = SimulatedCell(
        schema, 'record', seed, world, emit=lambda step: recorder.record(change(step)), task=task
    )
    recording = threading.Thread(target=recorder.run)  # after what may fail: it must be ended
    recording.start()
    try:
        cell.run_episodes(count)
    finally:
        recorder.finish()
        recording.join()
        cell.close()
    return cell.now / 60.0


def evaluate(
    schema: TaskSchema,
    bundle: bytes,
    world: str,
    episodes: int,
    minutes: float = 0.0,
    enough: float = 0.0,
    sigma: float = 0.0,
    task: str = '',
) -> Evaluation:
    """Run episodes of a policy without help, always with the same cube positions.

    It ends early if a success rate of `enough` is not possible any more. sigma: of the noise;
    0: deterministic. task: as in `record_demonstrations`.
    """
    policy = Policy.from_bytes(bundle, schema.hash)
    cell = SimulatedCell(
        schema,
        'train' if sigma else 'eval',
        EVALUATION_SEED,
        world,
        lambda steps: sigma,
        watch=True,
        task=task,
    )
    stats = cell.loop.stats
    try:
        cell.loop.offer(policy)
        while len(stats.results) < episodes and (
            len(stats.results) - stats.successes <= (1.0 - enough) * episodes
        ):
            cell.run_episodes(1)
    finally:
        cell.close()
    times = sorted(r.seconds for r in stats.results if r.outcome == 'success')
    return Evaluation(
        minutes,
        policy.updates,
        len(times),
        len(stats.results),
        times[len(times) // 2] if times else 0.0,
    )


def train(
    schema: TaskSchema,
    directory: Path,
    options: LearnerOptions,
    world: str,
    minutes: float,
    every: float,
    episodes: int,
    show: Callable[[Progress], None] = lambda progress: None,
    log: Callable[[str], object] = lambda sentence: None,
    enough: float | None = None,
    change: Callable[[StepRecord], StepRecord] = unchanged,
    task: str = '',
    interventions: bool = True,
    judge: Judge | None = None,
    cells: int = 1,
    at_end: bool = True,
) -> Progress:
    """Train for `minutes` of robot time in `directory`; evaluate each `every` minutes.

    episodes: number in one evaluation; enough: success rate at which training stops; change: a
    function that is applied to each step before it is learned from (for experiments); task: as in
    `record_demonstrations`; interventions: whether the operator helps; judge: gives the reward
    alone, in place of world and operator (evaluations count the world's success all the same);
    cells: number of cells that feed the learner side by side, each with a scene and an operator of
    its own. Minutes are those of one cell, human minutes those of all operators;
    at_end: false leaves the evaluation that is due at the end to the caller. After a
    KeyboardInterrupt the run is closed as usual, and `Progress.interrupted` is true.
    """
    progress = Progress()
    learner: SimulatedLearner

    def emit(step: StepRecord) -> None:
        progress.human_minutes += (step.source == Source.HUMAN) / schema.rate / 60.0
        learner.add_step(change(step))

    fleet = [
        SimulatedCell(
            schema,
            'train',
            options.seed + FLEET_SEED * number,
            world,
            lambda steps: learner.trainer.sigma(steps),
            emit,
            watch=not interventions,
            task=task,
            judge=judge,
            operator=replace(
                operator_for(task or schema.name, world), marks_success=judge is None
            ),
        )
        for number in range(cells)
    ]

    def offer(policy: Policy) -> None:
        for cell in fleet:
            cell.loop.offer(policy, env_steps=policy.env_steps)

    learner = SimulatedLearner(schema, directory, options, offer, log)

    def report() -> None:
        progress.updates, progress.minutes = learner.trainer.updates, fleet[0].now / 60.0
        progress.episodes = sum(len(cell.loop.stats.results) for cell in fleet)
        if progress.episodes:
            shares = [cell.loop.stats.intervention_share for cell in fleet]
            progress.human_share = sum(shares) / cells
        show(progress)

    due = every
    try:
        learner.pretrain(report)
        while progress.minutes < minutes - 1e-9:
            for cell in fleet:
                cell.tick()
            learner.run_due_updates(fleet[0].now)
            report()
            if progress.minutes < due - 1e-9:
                continue
            if not at_end and progress.minutes >= minutes - 1e-9:
                break
            due += every
            found = evaluate(
                schema, learner.bundle, world, episodes, progress.minutes, enough or 0.0, task=task
            )
            progress.evaluations.append(replace(found, human_minutes=progress.human_minutes))
            show(progress)
            if enough and progress.evaluations[-1].success >= enough:
                break
    except KeyboardInterrupt:
        progress.interrupted = True
    finally:
        for cell in fleet:
            cell.loop.close()
            cell.close()
        learner.close()
    progress.bundle = learner.bundle
    return progress
