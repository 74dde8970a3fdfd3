"""The options that make a task: the same in actor and learner, or they do not talk."""

from dataclasses import dataclass

from so101_description.model import model_hash
from so101_node.options import option
from so101_node.shared_options import COMMANDS, TaskOption

from .task import TaskSchema
from .tasks import FRAME_SIZE, RATE, make_task


@dataclass(frozen=True)
class TaskOptions(TaskOption):
    """Which task, at which rate, seen how large."""

    rate: float = option(
        RATE,
        'control steps a second; speeds and the 10 s of an episode do not depend on it',
        unit='Hz',
        low=1.0,
        high=60.0,
        verbs=COMMANDS,
    )
    frame_size: int = option(
        FRAME_SIZE,
        'height and width of the images that are stored and learned from',
        unit='pixels',
        low=32,
        high=256,
        verbs=COMMANDS,
    )

    def schema(self) -> TaskSchema:
        """The task that these options describe. CellError if there is none."""
        return make_task(
            self.task,
            model_hash(),
            self.image_width,
            self.image_height,
            self.rate,
            self.frame_size,
        )

    def check(self) -> None:
        """CellError if there is no such task."""
        super().check()
        self.schema()
