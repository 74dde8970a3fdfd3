"""Draws one step of an episode: the cameras side by side, and what happened, below.

The policy's own images are enlarged without smoothing, so that each of their pixels shows.
"""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hilserl_core.contract.steps import Outcome, Source, StepRecord

from .episodes import RecordedEpisode

HEIGHT = 320  # of a camera's image in the film, about, pixels
MIN_WIDTH = 320  # of the film, pixels
GAP = 8  # between two cameras, pixels
LINE = 22  # height of a line of text, pixels
BAND = 10  # height of the band that shows who drove when, pixels
ORDINARY, SMALL = 0.45, 0.38  # sizes of the letters
END_SECONDS = 1.0  # that the final observation stays

WHITE, GREY, DARK = (255, 255, 255), (150, 150, 150), (28, 28, 28)
POLICY, HUMAN, NOBODY = (31, 111, 180), (217, 130, 43), (90, 90, 90)  # as in the report's figures
DRIVERS = {Source.POLICY: ('POLICY', POLICY), Source.HUMAN: ('HUMAN', HUMAN)}
OUTCOMES = {
    Outcome.SUCCESS: (60, 160, 75),
    Outcome.FAILURE: (190, 60, 60),
    Outcome.TIMEOUT: (190, 60, 60),
}

Picture = npt.NDArray[np.uint8]  # (height, width, 3) RGB


def pictures(episode: RecordedEpisode) -> Iterator[Picture]:
    """Yield the pictures of an episode at the task's rate, all of one size."""
    band = _band(episode.steps, _width(episode))
    for at, step in enumerate(episode.steps):
        picture = _picture(episode, at, step, band)
        for _ in range(round(END_SECONDS * episode.schema.rate) if step.last else 1):
            yield picture


def size(episode: RecordedEpisode) -> tuple[int, int]:
    """Width and height of an episode's pictures, pixels, both even."""
    return _width(episode), _camera_height(episode) + 3 * LINE + BAND + GAP


def _factor(height: int) -> int:
    """How often each pixel of an image of that height is repeated, in each direction."""
    return max(1, round(HEIGHT / height))


def _camera_height(episode: RecordedEpisode) -> int:
    heights = [camera.out_height * _factor(camera.out_height) for camera in episode.schema.cameras]
    return max(heights) + max(heights) % 2


def _cameras_width(episode: RecordedEpisode) -> int:
    cameras = episode.schema.cameras
    return sum(camera.out_width * _factor(camera.out_height) for camera in cameras) + GAP * (
        len(cameras) - 1
    )


def _width(episode: RecordedEpisode) -> int:
    width = max(MIN_WIDTH, _cameras_width(episode))
    return width + width % 2


def _picture(episode: RecordedEpisode, at: int, step: StepRecord, band: Picture) -> Picture:
    width, height = size(episode)
    picture = np.full((height, width, 3), DARK, np.uint8)
    left = (width - _cameras_width(episode)) // 2
    for image in step.images:
        factor = _factor(image.shape[0])
        large = image.repeat(factor, axis=0).repeat(factor, axis=1)
        picture[: large.shape[0], left : left + large.shape[1]] = large
        left += large.shape[1] + GAP
    top = _camera_height(episode)
    picture[top : top + BAND] = band
    now = round((at + 0.5) / len(episode.steps) * width)
    cv2.rectangle(picture, (now - 1, top), (now + 1, top + BAND - 1), WHITE, -1)
    _caption(picture, top + BAND, episode, at, step)
    return picture


def _band(steps: list[StepRecord], width: int) -> Picture:
    """A row of colours: who drove each step."""
    colours = np.array([_driver(step)[1] for step in steps], np.uint8)
    columns = np.arange(width) * len(steps) // width
    return np.broadcast_to(colours[columns], (BAND, width, 3)).copy()


def _driver(step: StepRecord) -> tuple[str, tuple[int, int, int]]:
    if step.last:
        outcome = Outcome(step.outcome)
        return outcome.name if outcome else 'NO OUTCOME', OUTCOMES.get(outcome, NOBODY)
    return DRIVERS.get(Source(step.source), ('NOBODY', NOBODY))


def _caption(
    picture: Picture, top: int, episode: RecordedEpisode, at: int, step: StepRecord
) -> None:
    word, colour = _driver(step)
    badge = 12 + 10 * len(word)
    cv2.rectangle(picture, (4, top + 3), (4 + badge, top + LINE), colour, -1)
    _text(picture, word, 10, top + LINE - 5, WHITE)
    seconds = (step.stamp - episode.steps[0].stamp) * 1e-9
    _text(
        picture,
        f'step {at + 1} of {episode.actions}, {seconds:.1f} s'
        if not step.last
        else f'after {episode.actions} steps, {seconds:.1f} s',
        badge + 14,
        top + LINE - 5,
        WHITE,
    )
    _text(picture, _second_line(step), 6, top + 2 * LINE - 4, WHITE)
    _text(
        picture,
        f'episode {episode.number} of {episode.total}: {episode.name}',
        6,
        top + 3 * LINE - 3,
        GREY,
        SMALL,
    )


def _second_line(step: StepRecord) -> str:
    if step.last:
        return 'final observation'
    reward = 'unknown' if step.reward is None else f'{step.reward:g}'
    policy = f'   policy {step.policy_version}, sigma {step.sigma:.2f}'
    return f'reward {reward}' + (policy if step.source == Source.POLICY else '')


def _text(
    picture: Any,
    text: str,
    left: int,
    baseline: int,
    colour: tuple[int, int, int],
    scale: float = ORDINARY,
) -> None:
    ascii_only = text.encode('ascii', 'replace').decode()  # the font has no other letters
    cv2.putText(
        picture, ascii_only, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1,
        cv2.LINE_AA,
    )  # fmt: skip
