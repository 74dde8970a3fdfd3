"""Known failures of other projects, one at a time, in the in-process simulation; see --list."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
import json
from pathlib import Path
import sys
import tempfile

from learn import Screen  # first: it chooses MuJoCo's renderer
import numpy as np
from rich.console import Console

from hilserl_core.contract.steps import Source, StepRecord
from hilserl_core.contract.tasks import make_task
from hilserl_learner.importing.importer import import_bag
from hilserl_learner.training import fill_replay
from hilserl_learner.training.malloc import keep_freed_memory
from hilserl_learner.training.options import LearnerOptions
from hilserl_sim import training as simulation  # first: it chooses MuJoCo's renderer
from hilserl_tests.raw_recorder import without
from published import run_results
from so101_description.model import model_hash
from so101_node import names
from so101_node.errors import CellError
from so101_sim.worlds import TRAINING_WORLDS

DEMOS, FINAL = 20, 50
SCHEMA = make_task('grasp_lift', model_hash())
SIGMAS = (1.0, 0.4, 0.2, 0.1, 0.0)


def without_action(step: StepRecord) -> StepRecord:
    """Record a zero action, as a recorder without kinematics does."""
    return step if step.last else replace(step, action=0.0 * step.action)


def without_command(step: StepRecord) -> StepRecord:
    """`without_action`, and without the joint commands."""
    step = without_action(step)
    error = [name.endswith('.following_error') for name in SCHEMA.state_names]
    return replace(step, state=np.where(error, np.float32(0.0), step.state))


def without_joints(step: StepRecord) -> StepRecord:
    """`without_command`, and without the joint positions."""
    step = without_command(step)
    measured = [name.endswith('.position') for name in SCHEMA.state_names]
    return replace(step, state=np.where(measured, np.float32(0.0), step.state))


def timeout_as_terminal(step: StepRecord) -> StepRecord:
    """Record a timeout as a terminal."""
    return replace(step, terminated=step.terminated or step.truncated, truncated=False)


def without_human_source(step: StepRecord) -> StepRecord:
    """Record a human step as a policy step, so that it is not in the prior data."""
    return replace(step, source=Source.POLICY) if step.source == Source.HUMAN else step


@dataclass(frozen=True)
class Row:
    """One experiment: its differences from an ordinary run."""

    title: str
    agent_options: str = ''
    demonstrations: Callable[[StepRecord], StepRecord] = simulation.unchanged
    steps: Callable[[StepRecord], StepRecord] = simulation.unchanged
    unchecked: bool = False  # do not check demonstrations for impossible actions
    not_recorded: tuple[
        str, ...
    ] = ()  # topics left out of --recording, which then has the demonstrations


ROWS = {
    'ordinary': Row('ordinary run'),
    'zero-actions': Row(
        'demonstrations with zero actions, check switched off',
        demonstrations=without_action,
        unchecked=True,
    ),
    'zero-actions-no-joints': Row(
        'demonstrations with zero actions and without joint states', demonstrations=without_joints
    ),
    'zero-actions-command': Row(
        'zero actions, recomputed by FK; gripper action from the gripper command',
        demonstrations=without_action,
    ),
    'zero-actions-joint': Row(
        'zero actions, recomputed by FK; gripper action from the gripper joint',
        demonstrations=without_command,
    ),
    'zero-actions-leader': Row(
        'recording without commands, actions by FK; gripper action from the leader',
        not_recorded=(names.STEP, names.JOINT_COMMANDS.format(arm='follower')),
    ),
    'frame-stack': Row('three stacked images, checkpoints are saved', 'frame_stack=3'),
    'timeout-terminal': Row('timeouts recorded as terminals', steps=timeout_as_terminal),
    'no-interventions': Row(
        'interventions not in the prior half of each batch', steps=without_human_source
    ),
    'no-augmentation': Row('no random shift of the images', 'shift=0'),
}


def learn(name: str, options, directory: Path) -> dict:
    """Run one row. Return its result."""
    row, schema = ROWS[name], SCHEMA
    demos = directory / 'demos'
    if row.not_recorded:
        bag = without(options.recording, row.not_recorded, directory / 'recording')
        report = import_bag(bag, schema, demos, 'exclude')
        print(json.dumps(report.data()))
    else:
        simulation.record_demonstrations(
            schema, demos, DEMOS, options.seed, options.world, row.demonstrations
        )
    if row.unchecked:
        fill_replay.ActionCheck.problem = lambda check: ''
    settings = LearnerOptions(
        start='demos',
        demos=(str(demos),),
        seed=options.seed,
        agent_options=row.agent_options,
        world=options.world,
    )
    console = Console()
    screen = Screen(console, options.minutes)
    try:
        with screen.bar:
            progress = simulation.train(
                schema,
                directory / 'run',
                settings,
                options.world,
                options.minutes,
                options.minutes / 4,
                20,
                screen.show,
                console.print,
                change=row.steps,
            )
    except CellError as error:
        return {'refused': str(error)}
    if progress.interrupted:
        raise KeyboardInterrupt
    final = simulation.evaluate(schema, progress.bundle, options.world, FINAL, options.minutes)
    if options.policy_out:
        options.policy_out.write_bytes(progress.bundle)
    return {
        'success': final.success,
        'interval': final.interval,
        'episodes': FINAL,
        'robot_minutes': progress.minutes,
        'updates': progress.updates,
        'curve': [[e.minutes, e.success] for e in progress.evaluations],
        'config': run_results.config_hash(schema, settings, DEMOS),
    }


def noise(policy: Path, world: str) -> dict:
    """Success of a trained policy under several sigmas."""
    bundle, found = policy.read_bytes(), {}
    for sigma in SIGMAS:
        measured = simulation.evaluate(SCHEMA, bundle, world, FINAL, sigma=sigma)
        found[str(sigma)] = {'success': measured.success, 'interval': measured.interval}
        print(f'sigma {sigma:g}: {measured.successes} of {FINAL}')
    return {'noise': found, 'episodes': FINAL}


def main():
    """Run a row or the noise. Print one JSON line, and append it to --out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--row', choices=tuple(ROWS), default='ordinary')
    parser.add_argument('--list', action='store_true', help='list the rows')
    parser.add_argument(
        '--recording',
        type=Path,
        help='bag of 20 demonstrations, recorded from the '
        'graph by hilserl_tests.raw_recorder (zero-actions-leader)',
    )
    parser.add_argument('--noise', type=Path, help='a policy bundle to measure under noise')
    parser.add_argument('--minutes', type=float, default=12.0)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--world', default='plain', choices=TRAINING_WORLDS)
    parser.add_argument('--policy-out', type=Path, help='write the policy to this file')
    parser.add_argument('--out', type=Path, help='append the result to this file (JSON lines)')
    options = parser.parse_args()
    if options.list:
        for name, row in ROWS.items():
            print(f'{name:22} {row.title}')
        return
    if ROWS[options.row].not_recorded and not options.recording:
        parser.error(f'--row {options.row} needs --recording')
    keep_freed_memory()
    about = {
        'row': 'noise' if options.noise else options.row,
        'seed': options.seed,
        'world': options.world,
    }
    with tempfile.TemporaryDirectory() as temporary:
        found = about | (
            noise(options.noise, options.world)
            if options.noise
            else learn(options.row, options, Path(temporary))
        )
    if options.out:
        with options.out.open('a', encoding='utf-8') as file:
            file.write(json.dumps(found) + '\n')
    print(json.dumps(found))


if __name__ == '__main__':
    try:
        main()
    except CellError as error:
        sys.exit(f'cell bench failures: {error}')
    except KeyboardInterrupt:
        sys.exit('cell bench failures: interrupted; this experiment has no result')
