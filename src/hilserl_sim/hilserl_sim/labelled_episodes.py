"""Records labelled episodes for a success detector: successes, and near misses of each kind.

The scripted operator decides when an episode ends, later than the success, as a person does.
"""

from dataclasses import replace
from pathlib import Path
import threading

import numpy as np

from hilserl_core.bags.episode_bag import bag_name
from hilserl_core.bags.labels import Label, add_label
from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_sim.scripted_operator import operator_for

from .cell import Operator, SimulatedCell

LATE = 0.7  # s; the operator marks between 0.5 s and 0.5 s + this after it sees the outcome
KINDS = ('demonstrate', 'near_miss')  # roles of the operator


def record_labelled(
    schema: TaskSchema,
    directory: Path,
    counts: tuple[int, int],
    seed: int,
    world: str,
    exact: bool = False,
    task: str = '',
) -> float:
    """Record episodes of each of KINDS in bags. Return the robot minutes.

    counts: of each kind. exact: write the moment of the world's success, if there is one, into a
    label file beside the bag; otherwise the operator's late key is all that says it. task: path of
    the task's file, if it is not an installed one.
    """
    minutes = 0.0
    for kind, count in zip(KINDS, counts):
        if count:
            minutes += _record(schema, directory, kind, count, seed, world, exact, task)
    return minutes


def _record(
    schema: TaskSchema,
    directory: Path,
    kind: str,
    count: int,
    seed: int,
    world: str,
    exact: bool,
    task: str,
) -> float:
    recorder = Recorder(directory, schema, lambda sentence: None)
    config = replace(operator_for(task or schema.name, world), confirm_spread=LATE)
    number = np.random.SeedSequence([seed, KINDS.index(kind)]).generate_state(1)[0]
    reached: dict[str, int | None] = {}  # stamp (ns) of each episode's first success

    def emit(step: StepRecord) -> None:
        recorder.record(step)
        first = reached.setdefault(step.episode_id, None)
        if first is None and cell.world.success:
            reached[step.episode_id] = cell.stamp

    cell = SimulatedCell(
        schema,
        'record',
        int(number),
        world,
        emit=emit,
        task=task,
        judge=Operator(),
        operator=config,
        operator_role=kind,
    )

    recording = threading.Thread(target=recorder.run)
    recording.start()
    try:
        cell.run_episodes(count)
    finally:
        recorder.finish()
        recording.join()
        cell.close()
    if exact:
        for episode, stamp in reached.items():
            if stamp is not None:
                add_label(directory / bag_name(episode), Label(Outcome.SUCCESS, stamp))
    return cell.now / 60.0
