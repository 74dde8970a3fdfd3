"""Finds the episodes of a raw recording: where they begin and end, and which succeeded.

The actor's status shows it, if it was recorded. Otherwise motion does: in an episode the follower
moves, and is commanded if commands were recorded.
"""

from dataclasses import dataclass

import numpy as np

from hilserl_core.contract.steps import Source
from so101_node.modes import Mode

from .recording import RawRecording
from .stream import MarkStream

SOURCES: dict[str, Source] = {
    Mode.HUMAN: Source.HUMAN,
    Mode.POLICY: Source.POLICY,
    Mode.EVAL: Source.POLICY,
}
MIN_MOTION = 0.02  # rad within a second, any joint; with less the arm is still
MIN_PAUSE = 1.0  # s; a shorter pause is part of the episode
MIN_LENGTH = 1.5  # s, with the half second before and after the motion


@dataclass(frozen=True)
class Span:
    """The time of one episode, ns. Its first tick is not before `start`, its last before `end`."""

    name: str
    start: int
    end: int
    success: bool = False


def spans(recording: RawRecording, period: int) -> tuple[list[Span], str]:
    """The episodes, and what separated them: marks or motion. period: of the task, ns."""
    if recording.marks is not None:
        found, how = _by_marks(recording.marks, period), 'marks'
    else:
        found, how = _by_motion(recording, period), 'motion'
    return [Span(s.name, s.start, s.end, _succeeded(recording, s)) for s in found], how


def source_at(recording: RawRecording, stamp: int, period: int) -> Source:
    """Who decided at a tick, by the marks. Without marks a human drove the whole recording."""
    if recording.marks is None:
        return Source.HUMAN
    near = recording.marks.nearest(stamp, period // 2)
    return (
        Source.NONE if near is None else SOURCES.get(recording.marks.values[near][0], Source.NONE)
    )


def _by_marks(marks: MarkStream, period: int) -> list[Span]:
    found: list[Span] = []
    name, start, last = '', 0, 0
    for stamp, (mode, episode_id) in [*zip(marks.stamps.tolist(), marks.values), (0, ('', ''))]:
        current = episode_id if mode in SOURCES else ''
        if name and current != name:
            found.append(Span(name, start, last + period))
        if current and current != name:
            start = stamp - period // 2
        name, last = current, stamp
    return found


def _by_motion(recording: RawRecording, period: int) -> list[Span]:
    follower = recording.follower
    if not len(follower):
        return []
    grid = np.arange(follower.stamps[0], follower.stamps[-1], period)
    if len(grid) < 2:
        return []
    at = np.searchsorted(follower.stamps, grid)
    positions = follower.values[np.minimum(at, len(follower) - 1)]
    half = max(1, round(0.5e9 / period))
    padded = np.pad(positions, ((half, half), (0, 0)), mode='edge')
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0)
    active = (windows.max(-1) - windows.min(-1)).max(-1) > MIN_MOTION
    if recording.commands is not None:
        active &= np.array(
            [recording.commands.nearest(int(t), 5 * 10**8) is not None for t in grid]
        )
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(int)))
    stretches: list[list[int]] = []
    for start, end in edges.reshape(-1, 2):
        if stretches and (start - stretches[-1][1]) * period < MIN_PAUSE * 1e9:
            stretches[-1][1] = end
        else:
            stretches.append([start, end])
    return [
        Span(f'motion-{int(grid[a]) // 10**6}', int(grid[a]), int(grid[b - 1]) + period)
        for a, b in stretches
        if (b - a) * period >= MIN_LENGTH * 1e9
    ]


def _succeeded(recording: RawRecording, span: Span) -> bool:
    rewards = recording.rewards
    if rewards is None:
        return False
    a, b = np.searchsorted(rewards.stamps, [span.start, span.end])
    return any(success for _, success in rewards.values[a:b])
