"""`bench.yaml`: what is particular to one bench, as ports, calibrations, supplies and cameras.

`./cell find` writes it; commands for the real cell take their values from it. Its keys are
described in docs/bench.md. Each value is checked as the option that it sets.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import yaml

from so101_description.kinematics_config import Corner, KinematicsConfig
from so101_node.data_files import convert, yaml_value
from so101_node.durable import replace_file, writing
from so101_node.errors import CellError
from so101_node.foreign_files import expanded, read_bytes
from so101_node.names import camera_node_of, check_role
from so101_node.options import Options, checked, nearest, options_of

from .calibration_file import LEROBOT
from .camera_options import CameraOptions
from .options import DriverOptions

NAME = 'bench.yaml'
NONE = 'none'  # as the name of a bench: use no file; as the device of a camera: see CameraEntry
LARGEST = 1_000_000  # bytes
_OPTIONS: dict[str, type[Options]] = {
    'driver': DriverOptions,
    'kinematics': KinematicsConfig,
    '': KinematicsConfig,  # it has all of them
}
HEAD = '# Values of this bench. ./cell find updates this file; docs/bench.md describes each key.\n'


class ArmEntry(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One arm. calibration: a file, relative to the bench file. voltage: of its supply, V."""

    port: str = ''
    calibration: str = ''
    voltage: float | None = None


class CameraEntry(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One camera: the option `camera_KEY` of its node describes each key.

    device: `none` if another node publishes its images.
    """

    device: str | int = ''
    width: int | None = None
    height: int | None = None
    rate: float | None = None
    format: str = ''
    rotation: int | None = None
    exposure: float | str = ''
    gain: float | str = ''
    white_balance: float | str = ''
    focus: float | str = ''
    power_line: int | str = ''
    calibration: str = ''


class Workspace(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The space of the arm, m in base_link: lower and upper corner for the tool, the table."""

    min: Corner | None = None
    max: Corner | None = None
    table_height: float | None = None


class Bench(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The content of a bench file."""

    version: Literal[1]
    follower: ArmEntry = msgspec.field(default_factory=ArmEntry)
    leader: ArmEntry = msgspec.field(default_factory=ArmEntry)
    cameras: dict[str, CameraEntry] = {}  # by role
    workspace: Workspace = msgspec.field(default_factory=Workspace)
    joint_limits: str = ''

    def arm(self, name: str) -> ArmEntry:
        """Return the entry of `follower` or `leader`."""
        return self.follower if name == 'follower' else self.leader

    def roles(self) -> tuple[str, ...]:
        """Return the roles of the cameras that this suite reads itself."""
        return tuple(role for role, entry in self.cameras.items() if entry.device != NONE)

    def with_calibration(self) -> dict[str, ArmEntry | CameraEntry]:
        """Return the entries that have a calibration file, by the first part of their keys."""
        arms = {'follower': self.follower, 'leader': self.leader}
        return {**arms, **{f'cameras.{role}': entry for role, entry in self.cameras.items()}}

    def values(self) -> Iterator[tuple[str, str, str, Any]]:
        """Yield (key, node, option, value) of each value; node '': every one with the option."""
        for arm in ('follower', 'leader'):
            entry = self.arm(arm)
            for key in entry.__struct_fields__:
                yield f'{arm}.{key}', 'driver', f'{arm}_{key}', getattr(entry, key)
        for role, camera in self.cameras.items():
            node = camera_node_of(role)
            for key in camera.__struct_fields__:
                yield f'cameras.{role}.{key}', node, f'camera_{key}', getattr(camera, key)
        space = self.workspace
        yield 'workspace.min', 'kinematics', 'workspace_min', space.min
        yield 'workspace.max', 'kinematics', 'workspace_max', space.max
        yield 'workspace.table_height', '', 'table_height', space.table_height
        yield 'joint_limits', '', 'joint_limits', self.joint_limits


def find_bench(given: str) -> Path | None:
    """Return the bench file to use; None if there is none.

    given: the path that the user gave; '' for bench.yaml in this directory; `none` for no file.
    """
    if given:
        return None if given == NONE else expanded(given).absolute()
    path = Path(NAME).absolute()
    return path if path.exists() else None


def read_bench(path: Path) -> Bench:
    """Read a bench file; its calibrations become absolute paths.

    CellError names the file, the first bad key and the nearest known one.
    """
    content = read_bytes(path, 'bench', LARGEST, 'name a bench file, or run ./cell find')
    try:
        data = yaml_value(content)
    except ValueError as error:
        raise CellError(f'bench {path} cannot be read: {error}') from error
    return bench_of(data, path)


def bench_of(data: object, path: Path) -> Bench:
    """Check the content of a bench file, as `read_bench` does. path: of the file."""
    if not isinstance(data, dict) or 'version' not in data:
        raise CellError(f'bench {path} has no key version; ./cell find writes such a file')
    if data['version'] != 1:
        raise CellError(f'bench {path}: version is {data["version"]!r}; this suite reads 1')
    _require_known(path, '', data, Bench)
    for role, camera in data.get('cameras', {}).items():  # the sentence names the role
        convert(camera, CameraEntry, f'bench {path}: cameras.{role}')
    bench = convert(data, Bench, f'bench {path}')
    for role in bench.cameras:
        check_role(f'bench {path}: cameras', role)
    for entry in bench.with_calibration().values():
        if entry.calibration and not entry.calibration.startswith(LEROBOT):
            entry.calibration = str(path.parent / expanded(entry.calibration))
    for key, node, name, value in bench.values():
        if value not in (None, ''):
            try:
                options_of(_OPTIONS.get(node, CameraOptions))[name].checked(value)
            except CellError as error:
                raise CellError(f'bench {path}: {key}: {error}') from None
    if bench.follower.port and bench.follower.port == bench.leader.port:
        raise CellError(
            f'bench {path}: follower.port and leader.port are both {bench.follower.port}; each '
            'arm has its own'
        )
    for role in bench.cameras:
        _check_together(bench, camera_node_of(role), CameraOptions, path, f'cameras.{role}')
    _check_together(bench, 'kinematics', KinematicsConfig, path, 'workspace')
    return bench


def _check_together(
    bench: Bench, node: str, kind: type[Options], path: Path, section: str
) -> None:
    """Raise CellError if the values of a section contradict each other."""
    given = {name: v for _, of, name, v in bench.values() if of == node and v not in (None, '')}
    try:
        checked(kind, given)
    except CellError as error:
        raise CellError(f'bench {path}: {section}: {error}') from None


def given_values(path: Path) -> Iterator[tuple[str, str, str, Any]]:
    """Yield (key, node, option, value) of each value that a bench file sets."""
    for key, node, name, value in read_bench(path).values():
        if value not in (None, ''):
            yield key, node, name, value


def write_bench(path: Path, bench: Bench) -> None:
    """Write a bench file; at any moment the old or the new one is complete.

    CellError if that fails.
    """
    with writing(path):
        replace_file(path, text_of(bench, path))


def text_of(bench: Bench, path: Path) -> str:
    """Return the content of a bench file. Calibrations beside it get relative paths."""
    data = msgspec.to_builtins(bench)
    for key, entry in bench.with_calibration().items():
        section = data
        for name in key.split('.'):
            section = section.get(name, {})
        if entry.calibration and Path(entry.calibration).is_relative_to(path.parent):
            section['calibration'] = str(Path(entry.calibration).relative_to(path.parent))
    data = {key: value for key, value in data.items() if value != {}}
    return HEAD + yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def arm_value(given: object, arm: str, key: str, bench: str, option: str) -> Any:
    """Return `given` or else the value of an arm's key in the bench file; None if none has it.

    option: the argument that may give it, for the error; '' if the value may be missing.
    """
    if given is not None:
        return given
    path = find_bench(bench)
    value = getattr(read_bench(path).arm(arm), key) if path else None
    if value in (None, '') and option:
        where = f'{path} has no {arm}.{key}' if path else f'there is no {NAME} here'
        raise CellError(f'{option} is needed, because {where}; ./cell find writes it')
    return value or None


def _require_known(path: Path, where: str, data: object, kind: Any) -> None:
    """Raise CellError for the first key that a struct does not have."""
    if get_origin(kind) is dict:  # roles and their cameras
        if not isinstance(data, dict):
            raise CellError(f'bench {path}: {where} is no mapping of keys to values')
        for key, value in data.items():
            _require_known(path, f'{where}.{key}', value, get_args(kind)[1])
        return
    if get_origin(kind) or not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return
    if not isinstance(data, dict):
        raise CellError(f'bench {path}: {where} is no mapping of keys to values')
    hints = get_type_hints(kind)
    for key, value in data.items():
        if key not in hints:
            raise CellError(
                f'bench {path}: {where or "it"} has no key {key}{nearest(str(key), hints)}'
            )
        _require_known(path, f'{where}.{key}'.lstrip('.'), value, hints[key])
