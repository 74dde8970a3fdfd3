"""Imports a recording as bags of steps. Raw recordings are converted, recorded steps are checked.

`./cell import` and `demos:=` at launch use the same function. It imports a bag completely or not
at all. It never writes to the bag, and never guesses.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
import hashlib
import os
from pathlib import Path
import shutil

import numpy as np
from rosbags.highlevel import AnyReader

from hilserl_core.bags.episode_bag import EpisodeBag, bag_name
from hilserl_core.bags.episode_list import broken_off
from hilserl_core.bags.labels import Label, apply, content_hash, read_labels
from hilserl_core.contract.action_check import ActionCheck
from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.steps import Outcome, StepRecord, problem
from hilserl_core.contract.task import TaskSchema
from so101_description.kinematics import Kinematics
from so101_node.durable import make_private
from so101_node.errors import CellError

from .conversion import OWN_JOINT, Clutch, steps_of
from .recording import RawRecording, directory_of, opened, read_raw
from .repair import has_steps, recompute, recorded_episodes, recorded_task
from .segmentation import Span, spans
from .summary import Report

VERSION = 2  # of the import's results; cached results of another version are not used
CONTINUED = '-after-clock-step'  # end of the name of an episode's second part
CUT = 5 * 10**8  # ns before the end of a part, from which an episode goes on after it


class NothingToImport(CellError):
    """Every episode of a bag was left out on purpose: discarded, broken off, or as was asked."""


def import_bag(
    directory: Path,
    schema: TaskSchema,
    out: Path,
    unlabelled: str = 'refuse',
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Import one bag into `out`, a directory of episode bags; CellError if it is refused.

    unlabelled: 'include' or 'exclude' episodes without an outcome, or 'refuse' the bag if it has
    any.
    """
    with opened(directory) as reader:
        return import_opened(reader, schema, out, unlabelled, progress)


def import_opened(
    reader: AnyReader,
    schema: TaskSchema,
    out: Path,
    unlabelled: str,
    progress: Callable[[int, int], None],
) -> Report:
    """`import_bag` for a bag that is already open."""
    directory = directory_of(reader)
    labels = read_labels(directory)
    kinematics = kinematics_of(schema)
    if has_steps(reader) and ((task := recorded_task(reader)) is None or task.hash == schema.hash):
        report = Report(str(directory), schema.name, schema, 'recorded steps')
        episodes = _recorded(reader, schema, kinematics, report)
    else:
        parts = _read_raw(reader, schema, progress)
        how = 'motion' if parts[0].marks is None else 'marks'
        report = Report(str(directory), schema.name, schema, how)
        for part in parts:
            report.notes += part.notes
        episodes = _raw(directory, parts, how, schema, kinematics, report)
    write_episodes(episodes, labels, schema, out, unlabelled, report)
    return report


def write_episodes(
    episodes: Iterable[tuple[list[StepRecord], int]],
    labels: list[Label],
    schema: TaskSchema,
    out: Path,
    unlabelled: str,
    report: Report,
) -> None:
    """Write episodes of steps as bags into `out`, all or none, and add them to the report.

    episodes: steps, and how many components of their actions were clipped. CellError as for
    `import_bag`.
    """
    make_private(out)
    workspace = out / f'.importing-{os.getpid()}'
    shutil.rmtree(workspace, ignore_errors=True)
    try:
        for steps, saturated in episodes:
            steps = apply(labels, steps)
            if _wanted(steps, unlabelled, report):
                report.add_episode(steps, saturated)
                _write(workspace, out, steps, schema)
        if not report.steps:
            raise (NothingToImport if report.left_out else CellError)(
                f'{report.what} {report.bag} has no episode to learn from'
                + ('; ' + '; '.join(report.notes) if report.notes else '')
            )
        for bag in sorted(workspace.iterdir()):
            os.rename(bag, out / bag.name)
    except OSError as error:
        raise CellError(f'steps cannot be written to {out}: {error}') from error
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _read_raw(
    reader: AnyReader, schema: TaskSchema, progress: Callable[[int, int], None]
) -> list[RawRecording]:
    try:
        return read_raw(reader, tuple(c.name for c in schema.cameras), progress)
    except CellError:
        task = recorded_task(reader)
        if task is None:
            raise
        raise CellError(
            f'bag {directory_of(reader)} has steps of another task and no raw streams '
            'to convert instead; ' + '; '.join(schema.differences(task))
        ) from None


def _wanted(steps: list[StepRecord], unlabelled: str, report: Report) -> bool:
    last = steps[-1]
    if last.last and last.outcome == Outcome.DISCARDED:
        report.leave_out(f'episode {last.episode_id} was discarded when it was recorded')
        return False
    count = sum(not step.last for step in steps)
    if broken_off(last.outcome, count, report.schema.rate):
        report.leave_out(f'episode {last.episode_id} was broken off after {count} steps')
        return False
    has_outcome = last.outcome != Outcome.NONE or all(
        step.reward is not None for step in steps if not step.last
    )
    if has_outcome or unlabelled == 'include':
        return True
    if last.episode_id in report.cut:
        report.leave_out(
            f'episode {last.episode_id} has no outcome before the clock was set, and is left out'
        )
        return False
    if unlabelled == 'exclude':
        report.leave_out(f'episode {last.episode_id} is unlabelled and left out')
        return False
    raise CellError(
        f'{report.what} {report.bag}: episode {last.episode_id} has no outcome, and that is not '
        'failure; label it (./cell label), or leave it out: unlabelled:=exclude at launch, '
        '--unlabelled exclude or include at import'
    )


def _write(workspace: Path, out: Path, steps: list[StepRecord], schema: TaskSchema) -> None:
    name = bag_name(steps[0].episode_id)
    if (out / name).exists() or (workspace / name).exists():
        raise CellError(
            f'episode {steps[0].episode_id} is in {out} already; import each bag '
            'once, or choose another directory'
        )
    bag = EpisodeBag(workspace / name, schema, steps[0].stamp)
    for step in steps:
        bag.write(step)
    bag.close()


def _raw(
    directory: Path,
    parts: list[RawRecording],
    how: str,
    schema: TaskSchema,
    kinematics: Kinematics,
    report: Report,
) -> Iterator[tuple[list[StepRecord], int]]:
    """The steps of each episode, and how many components of its actions were clipped."""
    digest = content_hash(directory)[:8] if how == 'motion' else ''
    clutch: Clutch | None = None  # of an episode that a set clock cut
    for recording, span, is_cut in _episodes(parts, round(1e9 / schema.rate)):
        continued = span.name.endswith(CONTINUED)
        imported = steps_of(recording, span, schema, kinematics, clutch if continued else None)
        if imported is None:
            report.notes.append(f'episode {span.name} is too short to hold a step')
            continue
        clutch = imported.clutch
        report.dropped += imported.dropped
        report.actions_from[imported.xyz_from] += 1
        report.gripper_from[imported.gripper_from] += 1
        steps = imported.steps
        if digest:
            steps = [replace(step, episode_id=f'{digest}-{span.name}') for step in steps]
        if is_cut:
            report.cut.add(steps[0].episode_id)
        yield steps, int((np.abs(imported.unclipped) > 1.0 + 1e-6).sum())


def _episodes(parts: list[RawRecording], period: int) -> Iterator[tuple[RawRecording, Span, bool]]:
    """The episodes of each part, and whether the end of the part cuts them.

    What follows of an episode after a clock step has a name of its own.
    """
    known: set[str] = set()
    for recording in parts:
        for span in spans(recording, period)[0]:
            name = span.name
            while name in known:
                name += CONTINUED
            known.add(name)
            start = span.start
            if name != span.name and recording.commands is not None:
                # before its first command, what was commanded is not known
                start = max(start, int(recording.commands.stamps[0]) + 1)
            is_cut = (
                recording is not parts[-1] and span.end > int(recording.follower.stamps[-1]) - CUT
            )
            yield recording, replace(span, name=name, start=start), is_cut


def _recorded(
    reader: AnyReader, schema: TaskSchema, kinematics: Kinematics, report: Report
) -> Iterator[tuple[list[StepRecord], int]]:
    """The steps of each episode, and how many components of its actions are at the limit."""
    total = recomputed = 0
    for steps in recorded_episodes(reader):
        reasons = [why for why in (problem(step, schema) for step in steps) if why]
        for why in sorted(set(reasons)):
            report.notes.append(
                f'{reasons.count(why)} steps of episode {steps[0].episode_id} are left out: {why}'
            )
        steps = [step for step in steps if not problem(step, schema)]
        if sum(not step.last for step in steps) == 0:
            continue
        with_action = sum(not step.last for step in steps)
        total += with_action
        source = gripper = 'recorded'
        if wrong := _wrong(steps, schema):
            steps, commanded = recompute(steps, schema, kinematics)
            source = 'recomputed from joint states'
            gripper = 'the commanded joint' if commanded else OWN_JOINT
            recomputed += with_action
            if still := _wrong(steps, schema):
                still = 'the same' if still == wrong else still
                raise CellError(
                    f'bag {directory_of(reader)}, episode {steps[0].episode_id}: {wrong}; '
                    f'recomputed from its joint states: {still}; record it again, or '
                    'remove this bag'
                )
        report.actions_from[source] += 1
        report.gripper_from[gripper] += 1
        yield (
            steps,
            sum(int((np.abs(step.action) >= 1.0).sum()) for step in steps if not step.last),
        )
    if recomputed:
        report.notes.insert(
            0,
            f'recomputed {recomputed:,} of {total:,} actions from joint states, '
            f'axes {", ".join(schema.action_space.text())}',
        )


def _wrong(steps: list[StepRecord], schema: TaskSchema) -> str:
    check = ActionCheck(schema)
    for step in steps:
        check.add_step(step)
    return check.problem()


def derived(
    directory: Path, schema: TaskSchema, log: Callable[[str], object], unlabelled: str = 'refuse'
) -> Path:
    """Import a bag, and return the directory of its steps. The result is cached beside the bag.

    Content, labels and schema select the cached result.
    """
    labels = [(label.outcome, label.time) for label in read_labels(directory)]
    key = content_hash(directory)[:16] + '-' + schema.hash[:16]
    if labels:
        key += '-' + hashlib.sha256(repr(labels).encode()).hexdigest()[:8]
    if unlabelled == 'exclude':
        key += '-labelled'
    cached = directory.parent / '.imported' / f'{key}-{VERSION}'
    if cached.is_dir():
        log(f'demonstration {directory.name}: already imported')
        return cached
    beside = cached.with_name(f'{cached.name}.new-{os.getpid()}')
    try:
        report = import_bag(directory, schema, beside, unlabelled)
        os.rename(beside, cached)
    except OSError as error:
        raise CellError(
            f'{directory} has to be imported, but {cached.parent} cannot be written: {error}; '
            'use ./cell import --out to import it to another place'
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    data = report.data()
    log(
        f'demonstration {directory.name} imported: {data["episodes"]} episodes, '
        f'{report.steps:,} steps, actions from {", ".join(report.actions_from)}'
        + ''.join(f'; {note}' for note in report.notes)
    )
    return cached
