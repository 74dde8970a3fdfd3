"""The options of the node `success_detector`."""

from dataclasses import dataclass

from hilserl_core.contract.task_options import TaskOptions
from so101_node.options import option
from so101_node.shared_options import RunIdOption


@dataclass(frozen=True)
class DetectorOptions(TaskOptions, RunIdOption):
    """The options of the node `success_detector`."""

    detector: str = option(
        '', 'file of the success detector, made by ./cell reward train (reward:=FILE sets it)'
    )
