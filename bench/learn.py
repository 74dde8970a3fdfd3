"""A training run in the in-process simulation: demonstrations, learning, evaluations."""

import argparse
from dataclasses import replace
from pathlib import Path
import sys
import tempfile
import time

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hilserl_core.contract.tasks import make_task
from hilserl_learner.training.malloc import keep_freed_memory
from hilserl_learner.training.options import LearnerOptions
from hilserl_sim import training as simulation  # first: it chooses MuJoCo's renderer
from published import run_results, task_rows
from so101_description.model import model_hash
from so101_node.errors import CellError
from so101_sim.worlds import TRAINING_WORLDS

FINAL = 50  # episodes of the last evaluation
CLONING = 3000  # updates of --cloning-only
METHODS = {'on': 'hil', 'off': 'rl'}


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--task', default='grasp_lift', help='name of the task, or path of its file'
    )
    parser.add_argument('--world', default='plain', choices=TRAINING_WORLDS)
    parser.add_argument('--minutes', type=float, default=12.0, help='robot minutes of learning')
    parser.add_argument('--seed', type=int, default=0, help='of all random numbers')
    parser.add_argument('--seeds', help='several runs, one for each seed: 0-4 or 1,3')
    parser.add_argument(
        '--cloning-only', action='store_true', help=f'{CLONING:,} updates of cloning, no robot'
    )
    parser.add_argument(
        '--rows',
        type=Path,
        help='add each evaluation to this file (docs/results/tasks.json); a run that it has is '
        'not made again',
    )
    parser.add_argument('--demos', type=int, default=20, help='demonstrations (0: scratch)')
    parser.add_argument(
        '--pretrained', type=Path, help='policy bundle or checkpoint to start from'
    )
    parser.add_argument(
        '--critic-warmup-updates',
        type=int,
        default=-1,
        help='updates in which only the critics are trained',
    )
    parser.add_argument(
        '--algorithm', default='cell', help='cell, drqv2, sac, or package.module:Class'
    )
    parser.add_argument('--agent-options', default='', help='"discount=0.99 frame_stack=3"')
    parser.add_argument(
        '--interventions', default='on', choices=('on', 'off'), help='whether the operator helps'
    )
    parser.add_argument('--pretrain-updates', type=int, default=-1, help='on demonstrations')
    parser.add_argument('--sigma', default='', help='linear(from,to,steps) or a number')
    parser.add_argument('--update-ratio', type=float, default=1.0, help='updates per step')
    parser.add_argument('--threads', type=int, default=1, help='of the learner')
    parser.add_argument('--cells', type=int, default=1, help='that feed the learner together')
    parser.add_argument('--every', type=float, default=2.0, help='minutes between evaluations')
    parser.add_argument('--episodes', type=int, default=20, help='of each evaluation')
    parser.add_argument('--final', type=int, default=FINAL, help='of the last evaluation')
    parser.add_argument('--run', type=Path, help='directory for bags, checkpoint and metrics')
    parser.add_argument('--out', type=Path, help='append the result to this file')
    options = parser.parse_args()
    options.method = METHODS[options.interventions]
    if options.cloning_only:
        options.method, options.minutes, options.interventions = 'bc', 0.0, 'off'
        options.pretrain_updates = CLONING
        options.agent_options += ' bc=1000'
    if options.rows and options.cells != 1:
        raise CellError('--rows is for runs of one cell; use --out for those of several')
    options.seeds = seeds_of(options.seeds) if options.seeds else [options.seed]
    return options


def seeds_of(text):
    """Return the seeds of `0-4` or `1,3`."""
    found = []
    for part in text.split(','):
        first, _, last = part.partition('-')
        if not (first.isdigit() and (last or first).isdigit()):
            raise CellError(f'--seeds is {text!r}; give numbers such as 0-4 or 1,3')
        found += range(int(first), int(last or first) + 1)
    return found


class Screen:
    """A progress bar on a terminal, elsewhere a line each minute; a line for each evaluation."""

    def __init__(self, console: Console, minutes: float):
        self._console, self._shown, self._minute = console, 0, 0
        self.bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            TextColumn('{task.fields[state]}'),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self.bar.add_task('demonstrations', total=minutes, state='')
        if not console.is_terminal:
            console.print('demonstrations first, then learning')

    def show(self, progress: simulation.Progress) -> None:
        """Update the bar; print the new evaluations."""
        state = (
            f'{progress.minutes:.1f} min, {progress.episodes} episodes, '
            f'{progress.updates:,} updates, human {100 * progress.human_share:.0f} %'
        )
        self.bar.update(
            self._task, completed=progress.minutes, description='learning', state=state
        )
        if not self._console.is_terminal and int(progress.minutes) > self._minute:
            self._minute = int(progress.minutes)
            self._console.print(f'learning: {state}')
        for found in progress.evaluations[self._shown :]:
            self._shown += 1
            low, high = found.interval
            self._console.print(
                f'{found.minutes:5.1f} min  {found.updates:6,} updates  success '
                f'{found.successes:2}/{found.episodes} ({100 * low:.0f} to {100 * high:.0f} %)  '
                f'human {100 * progress.human_share:.0f} %'
            )


def settings_of(options: argparse.Namespace, demos: Path) -> LearnerOptions:
    """Return the learner's options; demos: directory of the demonstrations."""
    return LearnerOptions(
        algorithm=options.algorithm,
        agent_options=options.agent_options,
        start='pretrained' if options.pretrained else 'demos' if options.demos else 'scratch',
        pretrained=str(options.pretrained or ''),
        critic_warmup_updates=options.critic_warmup_updates,
        demos=(str(demos),) if options.demos else (),
        sigma=options.sigma,
        pretrain_updates=options.pretrain_updates,
        update_ratio=options.update_ratio,
        threads=options.threads,
        seed=options.seed,
        world=options.world,
    )


def learn(options: argparse.Namespace, directory: Path, console: Console) -> run_results.RunResult:
    """Make one run. Return its result."""
    schema = make_task(options.task, model_hash())
    began, demos = time.monotonic(), directory / 'demos'
    screen = Screen(console, options.minutes)
    with screen.bar:
        demo_minutes = 0.0
        if options.demos:
            demo_minutes = simulation.record_demonstrations(
                schema, demos, options.demos, options.seed, options.world, task=options.task
            )
        settings = settings_of(options, demos)
        progress = simulation.train(
            schema,
            directory / 'run',
            settings,
            options.world,
            options.minutes,
            options.every,
            options.episodes,
            screen.show,
            task=options.task,
            interventions=options.interventions == 'on',
            cells=options.cells,
            at_end=False,
        )
        curve = [*progress.evaluations]
        if not progress.interrupted:
            final = simulation.evaluate(
                schema,
                progress.bundle,
                options.world,
                options.final,
                progress.minutes,
                task=options.task,
            )
            curve.append(replace(final, human_minutes=progress.human_minutes))
        elif not curve:
            raise KeyboardInterrupt
    final = curve[-1]
    config = run_results.config_hash(schema, settings, options.demos)
    if options.rows and not progress.interrupted:
        task_rows.add(options.rows, [row_of(options, config, e) for e in curve])
    points = [(round(e.minutes, 1), e.success, e.episodes) for e in curve]
    return run_results.RunResult(
        task=schema.name,
        world=options.world,
        seed=options.seed,
        minutes_to_90=run_results.minutes_to(points),
        success=final.success,
        interval=(round(final.interval[0], 3), round(final.interval[1], 3)),
        episodes=final.episodes,
        robot_minutes=round(final.minutes, 2),
        graph='inprocess',
        config=config,
        curve=points,
        options={
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(options).items()
            if name not in ('run', 'out', 'rows', 'seeds', 'method')
        },
        updates=progress.updates,
        seconds_to_success=round(final.seconds, 2),
        training_episodes=progress.episodes,
        demo_minutes=round(demo_minutes, 2),
        interrupted=progress.interrupted,
        wall_s=round(time.monotonic() - began),
    )


def row_of(options: argparse.Namespace, config: str, found: simulation.Evaluation):
    """Return an evaluation as a row."""
    return task_rows.TaskRow(
        task=options.task,
        world=options.world,
        method=options.method,
        seed=options.seed,
        episodes=found.episodes,
        successes=found.successes,
        robot_minutes=round(found.minutes, 2),
        human_minutes=round(found.human_minutes, 2),
        config=config,
    )


def is_made(options: argparse.Namespace) -> bool:
    """Whether the file of rows has this run."""
    schema = make_task(options.task, model_hash())
    config = run_results.config_hash(schema, settings_of(options, Path('demos')), options.demos)
    run = options.task, options.world, options.method, options.seed, config
    return bool(options.rows) and task_rows.has_run(options.rows, run, options.minutes)


def main():
    """Make the runs that are not made yet."""
    options = parse()
    keep_freed_memory()
    for seed in options.seeds:
        options.seed = seed
        if is_made(options):
            print(f'seed {seed} is in {options.rows}: not made again')
        else:
            run(options)


def run(options):
    """Make a run, print a table and one JSON line."""
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        result = learn(options, options.run or Path(temporary), console)
    table = Table(title=f'{options.task}, {options.world} world, seed {options.seed}')
    for heading in ('robot minutes', 'success'):
        table.add_column(heading, justify='right')
    for minutes, success, _ in result.curve[:-1]:
        table.add_row(f'{minutes:.1f}', f'{100 * success:.0f} %')
    table.add_row(
        f'{result.robot_minutes:.1f}', f'{100 * result.success:.0f} % of {result.episodes}'
    )
    console.print(table)
    if options.out and not result.interrupted:
        run_results.add(options.out, result)
    print(msgspec.json.encode(result).decode())


if __name__ == '__main__':
    try:
        main()
    except CellError as error:
        sys.exit(f'cell bench learn: {error}')
    except KeyboardInterrupt:
        sys.exit('cell bench learn: interrupted before anything was measured')
