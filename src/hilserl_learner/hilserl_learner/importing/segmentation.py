"""Where the episodes of a raw recording begin and end, and how they came out.

By the actor's status where it was recorded; else by motion: an episode is where the follower is
commanded (as far as commands were recorded) and moves.
"""

from dataclasses import dataclass

import numpy as np

from hilserl_core.contract.steps import Source
from so101_node.modes import Mode

from .recording import RawRecording

SOURCES = {Mode.HUMAN: Source.HUMAN, Mode.POLICY: Source.POLICY, Mode.EVAL: Source.POLICY}
MOVED = 0.02  # rad within a second, any joint; less is rest
PAUSE = 1.0  # s; a shorter one is part of the episode
SHORTEST = 1.5  # s, the second of rest that is taken around a motion included


@dataclass(frozen=True)
class Span:
    """One episode's time, ns: its first tick is at or after `start`, its last before `end`."""

    name: str
    start: int
    end: int
    success: bool = False


def spans(recording: RawRecording, period: int) -> tuple[list[Span], str]:
    """The episodes, and by what they were told apart. Period of the task in ns."""
    if recording.marks is not None:
        found, how = _by_marks(recording, period), 'marks'
    else:
        found, how = _by_motion(recording, period), 'motion'
    return [Span(s.name, s.start, s.end, _succeeded(recording, s)) for s in found], how


def source_at(recording: RawRecording, stamp: int, period: int) -> Source:
    """Who decided at a tick: as marked; without marks a raw recording is a human's."""
    if recording.marks is None:
        return Source.HUMAN
    near = recording.marks.nearest(stamp, period // 2)
    return (
        Source.NONE if near is None else SOURCES.get(recording.marks.values[near][0], Source.NONE)
    )


def _by_marks(recording, period) -> list[Span]:
    found, name, start, last = [], '', 0, 0
    marks = recording.marks
    for stamp, (mode, episode_id) in [*zip(marks.stamps.tolist(), marks.values), (0, ('', ''))]:
        now = episode_id if mode in SOURCES else ''
        if name and now != name:
            found.append(Span(name, start, last + period))
        if now and now != name:
            start = stamp - period // 2
        name, last = now, stamp
    return found


def _by_motion(recording, period) -> list[Span]:
    follower = recording.follower
    grid = np.arange(follower.stamps[0], follower.stamps[-1], period)
    if len(grid) < 2:
        return []
    at = np.searchsorted(follower.stamps, grid)
    positions = follower.values[np.minimum(at, len(follower) - 1)]
    half = max(1, round(0.5e9 / period))
    padded = np.pad(positions, ((half, half), (0, 0)), mode='edge')
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0)
    active = (windows.max(-1) - windows.min(-1)).max(-1) > MOVED
    if recording.commands is not None:
        active &= np.array(
            [recording.commands.nearest(int(t), 5 * 10**8) is not None for t in grid]
        )
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(int)))
    stretches: list[list[int]] = []
    for start, end in edges.reshape(-1, 2):
        if stretches and (start - stretches[-1][1]) * period < PAUSE * 1e9:
            stretches[-1][1] = end
        else:
            stretches.append([start, end])
    return [
        Span(f'motion-{int(grid[a]) // 10**6}', int(grid[a]), int(grid[b - 1]) + period)
        for a, b in stretches
        if (b - a) * period >= SHORTEST * 1e9
    ]


def _succeeded(recording, span) -> bool:
    rewards = recording.rewards
    if rewards is None:
        return False
    a, b = np.searchsorted(rewards.stamps, [span.start, span.end])
    return any(success for _, success in rewards.values[a:b])
