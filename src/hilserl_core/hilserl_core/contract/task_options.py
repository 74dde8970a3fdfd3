"""The options that define a task. Actor and learner must have the same ones to work together."""

from dataclasses import dataclass, replace

from so101_description.model import model_hash
from so101_node.options import option
from so101_node.shared_options import COMMANDS, TaskOption

from .task import TaskSchema
from .tasks import make_task


@dataclass(frozen=True)
class TaskOptions(TaskOption):
    """The task, its rate, and the size of its images."""

    rate: float = option(
        0.0,
        'control steps a second, 1 to 60; speeds and the time limit of an episode do not depend '
        "on it (0: the task's)",
        unit='Hz',
        low=0.0,
        high=60.0,
        verbs=COMMANDS,
    )
    frame_size: int = option(
        0,
        'height and width of the stored images, which the networks see, 32 to 256 (0: those of '
        'the task)',
        unit='pixels',
        low=0,
        high=256,
        verbs=COMMANDS,
    )

    duration: float = option(
        0.0,
        'length of an episode after which it times out, in place of that of the task; 0: that of '
        'the task; bags and policies of another length are of another task',
        unit='s',
        low=0.0,
        high=600.0,
        verbs=COMMANDS,
    )

    def schema(self) -> TaskSchema:
        """The task that these options describe. CellError if there is no such task."""
        schema = make_task(
            self.task,
            model_hash(),
            self.image_width,
            self.image_height,
            self.rate,
            self.frame_size,
        )
        if not self.duration:
            return schema
        return replace(schema, max_steps=max(1, round(self.duration * schema.rate)))

    def check(self) -> None:
        """CellError if there is no such task."""
        super().check()
        self.schema()
