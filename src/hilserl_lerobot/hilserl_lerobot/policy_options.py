"""The options of the node `lerobot_policy`. What they mean is in policy_setup.py."""

from dataclasses import dataclass

from hilserl_core.contract.task_options import TaskOptions
from so101_node.options import option

from .choices import EXPORTED_UNITS, OF_DATASET


@dataclass(frozen=True)
class LerobotPolicyOptions(TaskOptions):
    """The options of the node `lerobot_policy`."""

    policy_directory: str = option(
        '', 'directory of a policy of LeRobot; policy:=lerobot:DIR sets it'
    )
    policy_units: str = option(
        OF_DATASET,
        'units of the joints that the policy of LeRobot was trained on: degrees, normalised by '
        'the calibration, or dataset: as the dataset says that it was trained on',
        choices=(OF_DATASET, *EXPORTED_UNITS),
        verbs=('record', 'eval'),
    )
    policy_calibration: str = option(
        '',
        'calibration of the follower for policy_units:=normalised, a path or lerobot:ID (empty: '
        'that of the follower)',
        verbs=('record', 'eval'),
    )
    policy_cameras: tuple[str, ...] = option(
        (),
        'images of the policy of LeRobot by camera of the task, as in '
        'wrist=observation.images.gripper, separated by commas',
        verbs=('record', 'eval'),
    )
    policy_device: str = option(
        'cpu',
        'where the policy of LeRobot runs',
        choices=('cpu', 'cuda'),
        verbs=('record', 'eval'),
    )
    lerobot_python: str = option(
        '',
        'Python of an environment with LeRobot (empty: build/lerobot/bin/python, which '
        './cell test --peers makes)',
        verbs=('record', 'eval'),
    )
