"""`./cell find`: looks at ports and cameras, asks a person, and writes the bench file."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
import os
from pathlib import Path
import sys
from typing import Any

from rich.console import Console

from so101_node.errors import CellError
from so101_node.foreign_files import expanded
from so101_node.names import ARMS, WRIST, check_role

from . import bench_update, camera_hold, camera_pictures
from .arm_ports import Port, decide, examine, known_files
from .bench_file import NONE, Bench, text_of
from .cameras import CameraDevice, list_cameras
from .find import choose_arms, choose_cameras, size_and_rate, supply_voltage
from .port_list import keeps_its_name, list_ports
from .serial_port import absent_port

FORMATS = 6  # of a camera that are shown


class BenchSearch:
    """One call of `./cell find`. options: its arguments."""

    def __init__(self, options: Namespace):
        self._options = options
        self._path = expanded(options.write).absolute()
        self._old = bench_update.read_old(self._path)
        self._console = Console(highlight=False, soft_wrap=True)
        self._unclear: list[str] = []
        self._found: dict[str, Any] = {}

    def run(self) -> int:
        """Find, ask and write; return 1 if something stays unclear."""
        arms = self._find_arms()
        self._find_cameras(list_cameras())
        if not self._found:
            raise CellError(
                'neither an arm nor a camera is clear'
                + (f': {"; ".join(self._unclear)}' if self._unclear else '')
                + '; plug them in, switch the supplies on, and run the command again'
            )
        new = bench_update.updated(self._old, self._found, self._path)
        self._say(f'{self._path.name}:')
        for line in bench_update.changes(self._old, new, self._found):
            self._say(f'  {line}')
        if self._options.dry_run:
            self._say(text_of(new, self._path).rstrip())
        else:
            self._say(bench_update.write(self._path, self._old, new))
        for line in self._unclear:
            self._say(f'unclear: {line}')
        if not self._unclear:
            self._say(f'next: {self._next_step(arms, new)}')
        return 1 if self._unclear else 0

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False)

    def _ask(self, question: str) -> str | None:
        """Ask at the terminal; None if there is none. CellError if the input has ended."""
        if not sys.stdin.isatty():
            return None
        try:
            return input(question)
        except EOFError:
            raise CellError('the search ended without an answer; nothing was written') from None

    # --- arms --------------------------------------------------------------------------------
    def _find_arms(self) -> dict[str, Port]:
        options = self._options
        named = {arm: getattr(options, arm) for arm in ARMS if getattr(options, arm)}
        given = {arm: os.path.abspath(path) for arm, path in named.items()}
        for arm, path in given.items():
            if not os.path.exists(path):
                raise CellError(f'--{arm} {absent_port(path)}')
        if len(set(given.values())) < len(given):
            raise CellError(f'--follower and --leader are both {given["leader"]}')
        listed = [os.path.abspath(path) for path in options.port or ()] or list_ports()
        paths = list(dict.fromkeys([*listed, *given.values()]))
        benched = {arm: self._old.arm(arm).calibration for arm in ARMS} if self._old else {}
        files = known_files(benched)
        ports = []
        self._say('serial ports:' if paths else 'serial ports: none')
        for path in paths:
            ports.append(examine(path, files))
            self._say(f'  {path}: {ports[-1].text}')
        named_arms = {path: arm for arm, path in given.items()}
        decided = decide([replace(p, arm=named_arms.get(p.path, p.arm)) for p in ports])
        paths_of = {arm: port.path for arm, port in decided.items()} | given
        decided = {arm: _of(ports, path) for arm, path in paths_of.items()}
        decided = self._as_before([p for p in ports if p not in decided.values()]) | decided
        arms = choose_arms(ports, decided, self._ask, self._say)
        for arm, port in arms.items():
            self._note_arm(arm, port)
        for arm in set(ARMS) - set(arms):
            taken = self._old.arm(arm).port if self._old else ''
            if any(port.path == taken for port in arms.values()):
                self._found[f'{arm}.port'] = ''
                self._say(f'the {arm} is no longer on {taken}')
        rest = [port.path for port in ports if port.servos and port not in arms.values()]
        if rest and len(arms) < len(ARMS):
            self._unclear.append(
                f'which arm is on {" and on ".join(rest)}; give --follower PORT or --leader PORT'
            )
        return arms

    def _as_before(self, ports: Sequence[Port]) -> dict[str, Port]:
        """Return the arms that nothing else tells and whose ports have their names for good."""
        if not self._old:
            return {}
        paths = {self._old.arm(arm).port: arm for arm in ARMS}
        return {
            paths[port.path]: port
            for port in ports
            if port.path in paths and port.servos and not port.arm and keeps_its_name(port.path)
        }

    def _note_arm(self, arm: str, port: Port) -> None:
        if port.arm and port.arm != arm:
            raise CellError(
                f'--{arm} {port.path}: this arm is the {port.arm}: its servos keep {port.file}'
            )
        before = self._old.arm(arm) if self._old else None
        self._found[f'{arm}.port'] = port.path
        if port.file:
            self._found[f'{arm}.calibration'] = port.file
        elif not (before and before.calibration):
            file = self._path.parent / 'calibration' / f'{arm}.json'
            self._found[f'{arm}.calibration'] = str(file)
        option = 'voltage' if arm == 'follower' else 'leader_voltage'
        volts = supply_voltage(
            arm,
            port,
            getattr(self._options, option),
            before.voltage if before else None,
            self._ask,
            self._say,
        )
        if volts:
            self._found[f'{arm}.voltage'] = volts
        else:
            self._say(f'the supply of the {arm} is unknown; give --{option.replace("_", "-")} V')

    # --- cameras -----------------------------------------------------------------------------
    def _find_cameras(self, cameras: Sequence[CameraDevice]) -> None:
        self._say('cameras:' if cameras else 'cameras: none')
        for i, camera in enumerate(cameras):
            self._show_camera(i + 1, camera)
        before = self._old.cameras if self._old else {}
        devices = {role: str(entry.device) for role, entry in before.items()}
        chosen = choose_cameras(cameras, self._given_cameras(), devices, self._ask, self._say)
        for role, camera in chosen.items():
            key, old = f'cameras.{role}', before.get(role)
            self._found[f'{key}.device'] = camera.stable_path
            same = old and old.device == camera.stable_path
            used = dict(zip(('width', 'height', 'rate'), size_and_rate(camera.formats)))
            for name, value in used.items():
                if same and getattr(old, name):
                    used[name] = getattr(old, name)
                else:
                    self._found[f'{key}.{name}'] = value
            if self._options.hold:
                self._hold(role, camera, *used.values())
        is_open = WRIST not in chosen and devices.get(WRIST) != NONE
        if is_open and any(camera.formats for camera in cameras):
            self._unclear.append('which camera is at the wrist; give --camera DEVICE')

    def _hold(self, role: str, camera: CameraDevice, *size_and_rate: float) -> None:
        held, problem = camera_hold.hold(camera.path, *size_and_rate)
        for option, value in held.items():
            self._found[f'cameras.{role}.{option.removeprefix("camera_")}'] = value
        if problem:
            self._unclear.append(f'{camera.stable_path} {problem}; nothing of it is held')

    def _given_cameras(self) -> dict[str, str]:
        """Return role -> device of the arguments --camera DEVICE and --camera ROLE=DEVICE."""
        given = {}
        for word in self._options.camera or ():
            role, equals, device = word.rpartition('=')
            role = role if equals else WRIST
            check_role('--camera', role)
            given[role] = device
        return given

    def _show_camera(self, number: int, camera: CameraDevice) -> None:
        self._say(f'  {number}  {camera.stable_path}: {camera.card or "camera"}')
        if not camera.formats:
            self._say(f'     {camera.problem or "offers no image format"}')
            return
        for each in camera.formats[:FORMATS]:
            self._say(f'     {each}')
        if len(camera.formats) > FORMATS:
            self._say(f'     and {len(camera.formats) - FORMATS} more formats')
        width, height, _ = size_and_rate(camera.formats)
        image = camera_pictures.take(camera.path, width, height)
        if image is None:
            self._say('     delivers no image: another program may use it')
            return
        if not self._options.dry_run:
            directory = self._options.images or self._path.parent / 'bench-images'
            file = Path(directory, f'{Path(camera.path).stem}.png')
            camera_pictures.save(image, file)
            self._say(f'     image: {file}')
        if self._console.is_terminal and self._console.color_system:
            self._console.print(camera_pictures.half_blocks(image))

    # --- the end -----------------------------------------------------------------------------
    @staticmethod
    def _next_step(arms: dict[str, Port], bench: Bench) -> str:
        for arm, port in arms.items():
            if port.to_set_up or not port.servos:
                return f'./cell motors {arm}'
        for arm in arms:
            if not Path(bench.arm(arm).calibration).exists():
                return f'./cell calibrate {arm}'
        if not bench.follower.port:
            return 'plug the follower in, switch it on, and run ./cell find again'
        return './cell preflight sim:=false'


def _of(ports: Sequence[Port], path: str) -> Port:
    return next(port for port in ports if port.path == path)
