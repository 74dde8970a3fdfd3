"""A training run in the in-process simulation: demonstrations, learning, evaluations."""

import argparse
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
from published import run_results
from so101_description.model import model_hash
from so101_node.errors import CellError
from so101_sim.worlds import WORLDS

FINAL = 50  # episodes of the last evaluation


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--task', default='grasp_lift', help='name of the task, or path of its file'
    )
    parser.add_argument('--world', default='plain', choices=tuple(WORLDS))
    parser.add_argument('--minutes', type=float, default=12.0, help='robot minutes of learning')
    parser.add_argument('--seed', type=int, default=0, help='of all random numbers')
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
    parser.add_argument('--algorithm', default='cell', help='cell or drqv2')
    parser.add_argument('--agent-options', default='', help='"discount=0.99 frame_stack=3"')
    parser.add_argument('--sigma', default='', help='linear(from,to,steps) or a number')
    parser.add_argument('--update-ratio', type=float, default=1.0, help='updates per step')
    parser.add_argument('--threads', type=int, default=1, help='of the learner')
    parser.add_argument('--every', type=float, default=2.0, help='minutes between evaluations')
    parser.add_argument('--episodes', type=int, default=20, help='of each evaluation')
    parser.add_argument('--final', type=int, default=FINAL, help='of the last evaluation')
    parser.add_argument('--run', type=Path, help='directory for bags, checkpoint and metrics')
    parser.add_argument('--out', type=Path, help='append the result to this file')
    return parser.parse_args()


class Screen:
    """A progress bar on a terminal, and a line for each evaluation."""

    def __init__(self, console: Console, minutes: float):
        self._console, self._shown = console, 0
        self.bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            TextColumn('{task.fields[state]}'),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self.bar.add_task('demonstrations', total=minutes, state='')

    def show(self, progress: simulation.Progress) -> None:
        """Update the bar; print the new evaluations."""
        self.bar.update(
            self._task,
            completed=progress.minutes,
            description='learning',
            state=f'{progress.minutes:.1f} min, {progress.episodes} episodes, '
            f'{progress.updates:,} updates, human {100 * progress.human_share:.0f} %',
        )
        for found in progress.evaluations[self._shown :]:
            self._shown += 1
            low, high = found.interval
            self._console.print(
                f'{found.minutes:5.1f} min  {found.updates:6,} updates  success '
                f'{found.successes:2}/{found.episodes} ({100 * low:.0f} to {100 * high:.0f} %)  '
                f'human {100 * progress.human_share:.0f} %'
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
        settings = LearnerOptions(
            algorithm=options.algorithm,
            agent_options=options.agent_options,
            start='pretrained' if options.pretrained else 'demos' if options.demos else 'scratch',
            pretrained=str(options.pretrained or ''),
            critic_warmup_updates=options.critic_warmup_updates,
            demos=(str(demos),) if options.demos else (),
            sigma=options.sigma,
            update_ratio=options.update_ratio,
            threads=options.threads,
            seed=options.seed,
            world=options.world,
        )
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
        )
        if not progress.interrupted:
            final = simulation.evaluate(
                schema,
                progress.bundle,
                options.world,
                options.final,
                progress.minutes,
                task=options.task,
            )
        elif progress.evaluations:
            final = progress.evaluations[-1]
        else:
            raise KeyboardInterrupt
    curve = [(round(e.minutes, 1), e.success, e.episodes) for e in progress.evaluations]
    return run_results.RunResult(
        task=schema.name,
        world=options.world,
        seed=options.seed,
        minutes_to_90=run_results.minutes_to(curve),
        success=final.success,
        interval=(round(final.interval[0], 3), round(final.interval[1], 3)),
        episodes=final.episodes,
        robot_minutes=round(final.minutes, 2),
        graph='inprocess',
        config=run_results.config_hash(schema, settings, options.demos),
        curve=curve,
        options={
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(options).items()
            if name not in ('run', 'out')
        },
        updates=progress.updates,
        seconds_to_success=round(final.seconds, 2),
        training_episodes=progress.episodes,
        demo_minutes=round(demo_minutes, 2),
        interrupted=progress.interrupted,
        wall_s=round(time.monotonic() - began),
    )


def main():
    """Run, print a table and one JSON line."""
    options = parse()
    keep_freed_memory()
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        result = learn(options, options.run or Path(temporary), console)
    table = Table(title=f'{options.task}, {options.world} world, seed {options.seed}')
    for heading in ('robot minutes', 'success'):
        table.add_column(heading, justify='right')
    for minutes, success, _ in result.curve:
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
