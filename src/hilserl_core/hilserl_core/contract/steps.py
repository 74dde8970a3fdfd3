"""A step as plain data: so101_interfaces/Step without ROS. Bags and replay consist of steps.

After a step that ends an episode (terminated or truncated) comes one more record with
`last=True`. It holds the final observation and has no action.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from .task import TaskSchema

MAX_STAMP = 1 << 62  # ns; a bag cannot hold a later one


class Source(IntEnum):
    """Who decided the action (Step.SOURCE_*)."""

    NONE = 0
    POLICY = 1
    HUMAN = 2


class Outcome(IntEnum):
    """How the episode ended (Step.OUTCOME_*)."""

    NONE = 0
    SUCCESS = 1
    FAILURE = 2
    TIMEOUT = 3
    DISCARDED = 4


@dataclass(frozen=True, eq=False)
class StepRecord:
    """One control period. Stamps are ns of the ROS clock."""

    stamp: int
    schema_hash: str
    episode_id: str
    index: int
    cameras: tuple[str, ...]  # names, in the schema's order
    image_stamps: tuple[int, ...]
    images: tuple[npt.NDArray[np.uint8], ...]  # (height, width, 3) uint8 each
    state: npt.NDArray[np.float32]  # (S,) float32
    action: npt.NDArray[np.float32]  # (A,) float32, executed; (0,) if last
    source: int = Source.NONE
    reward: float | None = None  # None: unknown, which is not 0
    terminated: bool = False
    truncated: bool = False
    last: bool = False
    outcome: int = Outcome.NONE
    policy_version: int = 0
    sigma: float = 0.0
    run_id: str = ''  # of the run that made it; '' in older bags
    # the serialised message, cached by bags/cdr.py; a copy made by `replace` does not have it
    cdr: bytes | memoryview | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        # The message has float32: round here, so that live and stored steps are equal.
        object.__setattr__(self, 'sigma', float(np.float32(self.sigma)))
        if self.reward is not None:
            object.__setattr__(self, 'reward', float(np.float32(self.reward)))


def components_at_limit(action: npt.NDArray[np.float32]) -> int:
    """Count the components of an executed action that are at their limit of -1 or 1."""
    return int((np.abs(action) >= 1.0).sum())


MAX_ID = 200  # characters of an episode id


def problem(step: StepRecord, schema: TaskSchema) -> str:
    """Return why this step cannot be used for learning, or ''."""
    if step.schema_hash != schema.hash:
        return f'its schema is {step.schema_hash[:8]}, but this run has {schema.hash[:8]}'
    if not 0 < step.stamp < MAX_STAMP:
        return f'its stamp is {step.stamp} ns, which is no time'
    if step.outcome not in set(Outcome):
        return f'its outcome is {step.outcome}; known are 0 to {max(Outcome)}'
    if not np.isfinite(step.sigma):
        return f'its sigma is {step.sigma}'
    if not 0 < len(step.episode_id) <= MAX_ID or not step.episode_id.isprintable():
        return f'its episode id has {len(step.episode_id)} characters, 1 to {MAX_ID} are allowed'
    if min(step.image_stamps, default=0) < 0:
        return 'the stamp of an image is negative'
    if len(step.images) != len(schema.cameras):
        return f'it has {len(step.images)} images, the task {len(schema.cameras)} cameras'
    for image, camera in zip(step.images, schema.cameras):
        if image.shape != camera.shape or image.dtype != np.uint8:
            return f'{camera.name} is {image.shape} {image.dtype}, the task has {camera.shape}'
    if step.state.shape != (len(schema.state_names),):
        return f'its state has {step.state.size} values, the task {len(schema.state_names)}'
    if not np.isfinite(step.state).all():
        names = [schema.state_names[i] for i in np.flatnonzero(~np.isfinite(step.state))]
        return f'its state is not finite: {", ".join(names)}'
    if step.reward is not None and not np.isfinite(step.reward):
        return f'its reward is {step.reward}'
    if step.last:
        return '' if step.action.size == 0 else "it is an episode's last record, with an action"
    if step.action.shape != (len(schema.action_names),):
        return f'its action has {step.action.size} values, the task {len(schema.action_names)}'
    # `not all` also catches NaN
    if not (np.abs(step.action) <= 1.0).all():
        return f'its action {step.action.tolist()} is not within -1 and 1'
    if step.source not in (Source.POLICY, Source.HUMAN):
        return f'its source is {step.source}, neither policy nor human'
    return ''
