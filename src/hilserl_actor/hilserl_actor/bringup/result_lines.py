"""What a command says at its end: its result, and the exact command of the next step.

All is read from the run's files, so it is also right after Ctrl-C and after a killed node.
Success is that of the policy alone; a success with human steps is called one with help.
"""

from collections import Counter
from pathlib import Path

from hilserl_core.bags.episode_list import EpisodeRow, RobotClock, counts, episodes_by_time, row_of
from hilserl_core.contract.evaluation_report import BAGS, PICTURE, REPORT, TABLE, read_report
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.success_interval import wilson
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.checkpoint_names import LATEST, POLICY
from so101_node.errors import CellError

from ..loop.demonstration_quality import DemonstrationQuality
from ..loop.episode_stats import WINDOW
from .next_command import NEXT, next_command, shown_path
from .options import NEGATIVES
from .plan import Plan

GOOD = 0.9  # success rate from which the next step is a report, not more training
WORDS = {
    Outcome.SUCCESS: 'succeeded',
    Outcome.FAILURE: 'failed',
    Outcome.TIMEOUT: 'timed out',
}


def result_lines(
    command: str, plan: Plan, schema: TaskSchema, words: list[str], since: int, failed: bool
) -> list[str]:
    """Return the lines. words: of the command line; since: its start, ns of the wall clock.

    A command that failed before it made anything new has no result.
    """
    if command == 'record':
        new, lines = _of_recording(plan.run_dir, schema, words, since)
    elif command == 'train' and plan.learner_at:
        return [
            f'the run is at the learner, {plan.learner_at}: evaluate it there with '
            f'./cell eval run:={plan.run_dir.name}, or go on with the same command here'
        ]
    elif command == 'train':
        new, lines = _of_training(plan.run_dir, words, since)
    elif command == 'eval':
        new, lines = _of_evaluations(plan, words, since)
    else:
        return []
    return lines if new or not failed else []


def _of_recording(
    run_dir: Path, schema: TaskSchema, words: list[str], since: int
) -> tuple[int, list[str]]:
    outcomes: Counter[Outcome] = Counter()
    negatives = f'purpose:={NEGATIVES}' in words  # none of them has to be good
    new, poor = 0, []
    for bag, steps in episodes_by_time(run_dir / 'bags', lambda _: None):
        row = row_of(steps)
        if not counts(row.outcome):
            continue
        outcomes[row.outcome] += 1
        new += row.ended >= since
        if not negatives and (warnings := _quality(steps, schema).warnings()):
            poor.append(
                f'POOR: {"; ".join(warnings)}; to leave it out: '
                f'./cell label {shown_path(bag)} discarded'
            )
    if not outcomes:
        again = next_command('record', words, f'run:={run_dir.name}')
        return 0, ['no demonstration was recorded', f'{NEXT}{again}']
    total = sum(outcomes.values())
    parts = [f'{outcomes[outcome]} {word}' for outcome, word in WORDS.items() if outcomes[outcome]]
    bags = shown_path(run_dir / 'bags')
    policy = any(word.startswith('policy:=') for word in words)  # it demonstrates, too
    more = [f'demos:={bags}', *(['demos_by:=anyone'] if policy else [])]
    what, following = 'demonstration', next_command('train', words, *more)
    if negatives:
        what, following = 'negative', f'./cell reward data {shown_path(run_dir)}'
    return new, [
        f'{total} {what}{"s" * (total != 1)} in {bags}, {new} of them new: '
        f'{", ".join(parts)}' + ('' if negatives else f'; {len(poor)} POOR'),
        *poor,
        f'{NEXT}{following}',
    ]


def _quality(steps: list[StepRecord], schema: TaskSchema) -> DemonstrationQuality:
    quality = DemonstrationQuality(schema)
    for step in steps:
        quality.add_record(step)
    return quality


def _of_training(run_dir: Path, words: list[str], since: int) -> tuple[int, list[str]]:
    clock = RobotClock()
    rows: list[EpisodeRow] = []
    steps_of_run = human_steps = new = 0
    for _, steps in episodes_by_time(run_dir / 'bags', lambda _: None):
        for step in steps:
            clock.advance(step.stamp)
        row = row_of(steps)
        steps_of_run += row.steps
        human_steps += row.human_steps
        new += row.steps if row.ended >= since else 0
        if counts(row.outcome):
            rows.append(row)
    name = run_dir.name
    checkpoint = run_dir / 'checkpoints' / LATEST
    has_policy = (checkpoint / POLICY).is_file()
    if not steps_of_run and not has_policy:
        return 0, [f'run {name}: no step was recorded']
    lines = [
        f'run {name}: {steps_of_run:,} steps ({new:,} new) in {clock.minutes:.1f} robot minutes, '
        f'{len(rows):,} episodes, {100 * human_steps / max(1, steps_of_run):.0f} % of the steps '
        'with help',
        _alone(rows[-WINDOW:]),
    ]
    if not steps_of_run:
        lines = [f'run {name}: no step yet; the policy has learned from demonstrations only']
    if not has_policy:
        again = next_command('train', words, f'run:={name}')
        return new, [*lines, 'no checkpoint yet', f'{NEXT}{again}']
    return new, [
        *lines,
        f'checkpoint: {shown_path(checkpoint.parent / checkpoint.resolve().name)}',
        f'{NEXT}{next_command("eval", words, f"run:={name}")}',
    ]


def _alone(rows: list[EpisodeRow]) -> str:
    if not rows:
        return 'the policy alone: no episode has ended'
    alone, helped = sum(row.alone for row in rows), sum(row.succeeded for row in rows)
    low, high = wilson(alone, len(rows))
    helped -= alone
    share = 100 * sum(row.human_steps for row in rows) / max(1, sum(row.steps for row in rows))
    return (
        f'the policy alone: success in {alone} of the last {len(rows)} episodes '
        f'({100 * alone / len(rows):.0f} %, 95 % interval {100 * low:.0f} to {100 * high:.0f} %); '
        f'with help in {helped} more; {share:.0f} % of these steps with help'
    )


def _of_evaluations(plan: Plan, words: list[str], since: int) -> tuple[int, list[str]]:
    lines, rates, new = [], [], 0
    for directory in plan.results:
        try:
            data = read_report(directory) if (directory / REPORT).is_file() else None
        except CellError as error:
            lines.append(str(error))
            continue
        if data is None or not data['episodes']:
            lines.append(f'{directory.name}: no episode was finished')
            continue
        rates.append(data['success_rate'])
        new += (directory / REPORT).stat().st_mtime_ns >= since
        policy = Path(data['policy'])
        own = policy.is_relative_to(plan.run_dir / 'checkpoints')
        what = f'checkpoint {policy.parent.name}' if own else f'policy {shown_path(policy)}'
        unfinished = (
            ''
            if data['complete']
            else f' (interrupted after {data["episodes"]} of {data["wanted"]}; the same command '
            'goes on)'
        )
        lines.append(f'{what} alone: {data["summary"]}{unfinished}')
        failed = f'; failed ones: {shown_path(directory / BAGS)}'
        lines.append(
            f'episodes: {shown_path(directory / TABLE)}'
            + (failed if (directory / BAGS).is_dir() else '')
        )
    if not rates:
        return new, lines
    picture = plan.run_dir / 'eval' / PICTURE
    if picture.is_file():
        lines.append(f'picture: {shown_path(picture)}')
    if (plan.run_dir / 'run.yaml').is_file():
        report = f'./cell report {shown_path(plan.run_dir)}'
        train = next_command('train', words, f'run:={plan.run_dir.name}')
        lines.append(f'{NEXT}{report}' if rates[-1] >= GOOD else f'{NEXT}{train}')
    return new, lines
