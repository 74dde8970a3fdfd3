"""What the options of a LeRobot policy mean: its command, its units, its images."""

from pathlib import Path
import sys

import msgspec

from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError
from so101_node.foreign_files import expanded, read_bytes
from so101_node.names import camera_of

from . import layout
from .choices import EXPORTED_UNITS, NORMALISED, OF_DATASET
from .dataset import Dataset
from .episode_rows import key_of
from .policy_options import LerobotPolicyOptions
from .policy_process import Wanted
from .units import Ranges, Units, ranges_of, units_in, units_of

MAX_CONFIG = 10_000_000  # bytes


def command_of(options: LerobotPolicyOptions) -> list[str]:
    """Return the command of the process that runs the policy."""
    python = (
        expanded(options.lerobot_python)
        if options.lerobot_python
        else Path(sys.prefix).parent / 'build' / 'lerobot' / 'bin' / 'python'
    )
    module = ['-m', 'hilserl_lerobot.serve_policy']
    return [str(python), *module, '{socket}', options.policy_directory, options.policy_device]


def units_of_policy(options: LerobotPolicyOptions) -> Units:
    """Return the units of the policy's joints; CellError if nothing says them."""
    name = options.policy_units
    ranges: Ranges = ()
    if name == OF_DATASET:
        name, ranges = _units_of_dataset(Path(options.policy_directory))
    if name == NORMALISED and not ranges:
        if not options.policy_calibration:
            raise CellError(
                'policy_units:=normalised needs the recorded ranges of the follower; add '
                'policy_calibration:=FILE'
            )
        ranges = ranges_of(options.policy_calibration)
    return units_of(name, ranges)


def features_of_policy(
    options: LerobotPolicyOptions, schema: TaskSchema, wanted: Wanted
) -> tuple[str, ...]:
    """Return the feature of each camera of the task; '': the policy does not look at it.

    CellError if the policy needs other images than the task has.
    """
    asked = {}
    for word in options.policy_cameras:
        role, equals, feature = word.partition('=')
        if not equals:
            raise CellError(f'policy_cameras:={word[:80]}: write ROLE=FEATURE')
        asked[camera_of(role)] = feature
    features = [asked.get(c.name, key_of(c.name)) for c in schema.cameras]
    missing = [name for name in wanted.images if name not in features]
    if missing:
        raise CellError(
            f'the policy needs {missing[0][:80]}, the task {schema.name} has '
            f'{", ".join(features)}; name it with policy_cameras:=ROLE={missing[0][:80]}'
        )
    for name, camera in zip(features, schema.cameras):
        size = wanted.images.get(name)
        if size and size != (camera.out_height, camera.out_width):
            raise CellError(
                f'the policy needs {name} of {size[1]}x{size[0]}, the task {schema.name} has '
                f'{camera.out_width}x{camera.out_height}; use a task whose images have that '
                'size, or train the policy on an export of this task'
            )
    return tuple(name if name in wanted.images else '' for name in features)


class _Trained(msgspec.Struct):
    root: str | None = None


class _TrainConfig(msgspec.Struct):
    dataset: _Trained


def _units_of_dataset(directory: Path) -> tuple[str, Ranges]:
    """Return units and ranges of the dataset that a policy was trained on."""
    file = directory / 'train_config.json'
    ask = 'add policy_units:=degrees, or policy_units:=normalised'
    if not file.is_file():
        raise CellError(f'{directory} does not say the units of its joints; {ask}')
    data = read_bytes(file, 'LeRobot policy', MAX_CONFIG)
    try:
        root = msgspec.json.decode(data, type=_TrainConfig).dataset.root
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CellError(f'{file} is damaged: {error}; {ask}') from error
    if not root or not (Path(root) / layout.INFO).is_file():
        raise CellError(
            f'{directory} was trained on a dataset that is not here, so the units of its joints '
            f'are not known; {ask}'
        )
    feature = Dataset(Path(root)).info.features.get(layout.ACTION)
    name = units_in(feature.units) if feature else ''
    if name not in EXPORTED_UNITS:
        raise CellError(f'dataset {root} does not say the units of its joints; {ask}')
    ranges = (feature.ranges if feature else None) or []
    return name, tuple((int(low), int(high)) for low, high in ranges)
