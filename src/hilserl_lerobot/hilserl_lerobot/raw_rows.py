"""Exports raw recordings: a row for each image, at the camera's size and rate.

The state is the newest measured pose at the image. The action is the joint target that was in
effect at the next image, so a recording needs `follower/joint_commands`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.highlevel import AnyReader

from hilserl_core.bags.labels import read_labels
from hilserl_core.contract.steps import Outcome, Source
from hilserl_learner.importing.recording import (
    IMAGE_TYPES,
    RawRecording,
    directory_of,
    image_size,
    opened,
    read_raw,
)
from hilserl_learner.importing.segmentation import Span, source_at, spans
from so101_node.errors import CellError

from . import episode_rows as rows
from . import layout
from .exported import Exported
from .layout import feature
from .units import Units
from .writer import DatasetWriter

Image = npt.NDArray[np.uint8]
MAX_AGE = 10**8  # ns of a joint state at an image
Cameras = dict[str, tuple[int, int]]  # name -> width, height


def export_raw(
    bags: list[Path],
    directory: Path,
    units: Units,
    images: str,
    found: Exported,
    progress: Callable[[int, int], None],
) -> Exported:
    """Export raw recordings whose cameras have the same names, sizes and rates; CellError if not.

    What happens in them is found by the actor's status, else by motion.
    """
    first: tuple[Cameras, int] | None = None
    with ExitStack() as stack:
        for done, bag in enumerate(bags):
            progress(done, len(bags))
            with opened(bag) as reader:
                cameras = cameras_in(reader)
                recordings = read_raw(reader, tuple(cameras))
                fps = _rate(bag, recordings, next(iter(cameras)))
                if first is None:
                    first = cameras, fps
                    features = _features(cameras, units, images)
                    writer = stack.enter_context(DatasetWriter(directory, features, fps))
                elif first != (cameras, fps):
                    raise CellError(
                        f'bag {bag} has other cameras, sizes or rates than {bags[0]}; export them '
                        'to two datasets'
                    )
                _export_bag(bag, recordings, cameras, fps, units, writer, found)
        progress(len(bags), len(bags))
    return found


def _features(cameras: Cameras, units: Units, images: str) -> dict[str, Any]:
    return {
        **rows.image_features(((n, h, w) for n, (w, h) in cameras.items()), images),
        **rows.joint_features(units),
        layout.SUCCESS: feature('bool'),
        layout.DONE: feature('bool'),
        layout.INTERVENTION: feature('bool'),
        layout.STAMP: feature('int64'),
    }


def cameras_in(reader: AnyReader) -> Cameras:
    """Return the cameras of a recording with their sizes; CellError if it has none."""
    names = sorted(
        {
            c.topic.strip('/').split('/image_raw')[0].rpartition('/')[2]
            for c in reader.connections
            if c.msgtype in IMAGE_TYPES and '/image_raw' in c.topic and c.msgcount
        }
    )
    found = {name: size for name in names if (size := image_size(reader, name))}
    if not found:
        raise CellError(f'bag {directory_of(reader)} has neither steps nor images')
    return found


def _rate(bag: Path, recordings: list[RawRecording], camera: str) -> int:
    stamps = recordings[0].images[camera].stamps
    if len(stamps) < 2:
        raise CellError(f'bag {bag} has {len(stamps)} images of {camera}')
    return max(1, round(1e9 / float(np.median(np.diff(stamps)))))


def _export_bag(
    bag: Path,
    recordings: list[RawRecording],
    cameras: Cameras,
    fps: int,
    units: Units,
    writer: DatasetWriter,
    found: Exported,
) -> None:
    labels = read_labels(bag)
    for recording in recordings:
        found.notes += recording.notes
        if recording.commands is None:
            raise CellError(
                f'bag {bag} has no follower/joint_commands: what was commanded '
                'is not known; record them, or import it to a task and export the steps'
            )
        for span in spans(recording, round(1e9 / 10))[0]:
            outcome = Outcome.SUCCESS if span.success else Outcome.NONE
            for label in labels:
                if label.time is None or span.start <= label.time <= span.end:
                    outcome = label.outcome
            if outcome == Outcome.DISCARDED:
                found.left_out['discarded'] += 1
                continue
            _export_span(recording, span, outcome, cameras, fps, units, writer, found)


def _export_span(
    recording: RawRecording,
    span: Span,
    outcome: Outcome,
    cameras: Cameras,
    fps: int,
    units: Units,
    writer: DatasetWriter,
    found: Exported,
) -> None:
    first = recording.images[next(iter(cameras))]
    a, b = np.searchsorted(first.stamps, [span.start, span.end])
    stamps = [int(stamp) for stamp in first.stamps[a:b]]
    period = round(1e9 / fps)
    known, measured, targets, chosen = [], [], [], []
    assert recording.commands is not None
    for stamp, following in zip(stamps, [*stamps[1:], stamps[-1] + period] if stamps else []):
        state = recording.follower.latest(stamp, MAX_AGE)
        command = recording.commands.before(following)
        near = [recording.images[name].nearest(stamp, period // 2 + 1) for name in cameras]
        if state is None or command is None or None in near:
            continue
        known.append(stamp)
        measured.append(recording.follower.values[state])
        targets.append(recording.commands.values[command])
        chosen.append(near)
    if len(known) < 2:
        found.left_out['too short'] += 1
        return
    count = len(known)
    found.gaps += len(stamps) - count
    ends = np.arange(count)[:, None] == count - 1
    by_human = [source_at(recording, stamp, period) == Source.HUMAN for stamp in known]
    writer.add_episode(
        {
            layout.ACTION: units.of_rad(targets).astype(np.float32),
            layout.STATE: units.of_rad(measured).astype(np.float32),
            layout.SUCCESS: ends & (outcome == Outcome.SUCCESS),
            layout.DONE: ends,
            layout.INTERVENTION: np.array(by_human)[:, None],
            layout.STAMP: np.array(known, np.int64)[:, None],
        },
        {
            rows.key_of(name): _images(recording, name, [near[i] for near in chosen])
            for i, name in enumerate(cameras)
        },
        'SO-101',
        {'hilserl/episode_id': span.name, 'hilserl/outcome': outcome.name.lower()},
    )
    found.episodes += 1
    found.rows += count
    found.human += sum(by_human)
    found.outcomes[outcome.name.lower()] += 1


def _images(recording: RawRecording, camera: str, chosen: list[Any]) -> Iterator[Image]:
    """Yield the images of these indices in a camera's stream; neighbours may be equal."""
    times = [recording.images[camera].values[index] for index in chosen]
    left = iter(times)
    wanted = next(left, None)
    for recorded, image in recording.frames(camera, set(times)):
        while wanted == recorded:
            yield image
            wanted = next(left, None)
