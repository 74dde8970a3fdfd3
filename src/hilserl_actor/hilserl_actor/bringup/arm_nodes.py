"""The nodes of arms and cameras: real ones, or the simulated world and a driver for it."""

from dataclasses import replace
import os
from pathlib import Path
from typing import Any

from so101_node.errors import CellError
from so101_node.names import camera_node_of
from so101_node.options import Options
from so101_node.shared_options import HELD_OUT

from ..options import ActorOptions
from .arguments import Arguments
from .hardware_check import require_hardware
from .options import WITH_KEYS, WORLD

SIMULATED_PATIENCE = 10.0  # an answer may take 0.1 s, an image may be 2 s old, and so on


def real_nodes(arguments: Arguments) -> dict[str, Options]:
    """Return driver and cameras of the real cell; CellError for what they lack."""
    driver = arguments.node('driver')
    for name in ('follower_port', 'follower_calibration'):
        if not getattr(driver, name):
            raise CellError(f'sim:=false needs {name}:=...; ./cell find writes it into bench.yaml')
    found: dict[str, Options] = {'driver': driver}
    if arguments.cell.leader == WITH_KEYS:  # a leader arm of the bench file stays closed
        found = {
            'driver': replace(driver, leader_port=''),
            'virtual_leader': arguments.node('virtual_leader'),
        }
    cameras = _cameras(arguments)
    if arguments.command == 'preflight':
        require_hardware(arguments, driver, cameras)
    return found | cameras


def simulated_nodes(
    arguments: Arguments, actor: ActorOptions, run_dir: Path, situations: int
) -> dict[str, Options]:
    """Return world and driver. situations: of the world; 0: no repeat."""
    cell, command = arguments.cell, arguments.command
    if cell.leader == WITH_KEYS:
        raise CellError(
            'leader:=keys is for a real follower without a leader arm; in the simulated cell '
            'operator:=person drives with the keys'
        )
    from so101_sim import calibration_path

    directory = run_dir / f'sim-{command}' / cell.namespace.strip('/')
    decided: dict[str, Any] = {
        f'{arm}_port': str(directory / arm) for arm in ('follower', 'leader')
    }
    world = arguments.node(
        'world',
        **decided,
        situations=situations,
        patience=SIMULATED_PATIENCE,
        run_id=actor.run_id,
        gives_reward=cell.reward_source == WORLD,
    )
    if world.world == HELD_OUT and command in ('train', 'record'):
        raise CellError(
            f'world:={HELD_OUT} is for evaluations: no training may see it; use ./cell eval, '
            f'or another world for {command}'
        )
    # An emulated servo shares the processors with all nodes; a real one answers in 1 ms. On a
    # busy computer the world starts slowly; if it ends, the whole cell ends.
    driver = arguments.node(
        'driver',
        **decided,
        answer_timeout=0.01,
        port_wait=86400.0,
        patience=SIMULATED_PATIENCE,
        **{f'{arm}_calibration': calibration_path(arm) for arm in ('follower', 'leader')},
    )
    for name in ('follower_port', 'leader_port', 'follower_calibration', 'leader_calibration'):
        for each in arguments.given:
            # The driver of a simulated cell must never open the port of a real arm.
            if each.name == name and each.reaches('driver'):
                raise CellError(f'{each.where}: {name} is for the real cell; add sim:=false')
    return {'world': world, 'driver': driver}


def _cameras(arguments: Arguments) -> dict[str, Options]:
    """Return the camera nodes; CellError if two of them have the same camera."""
    found: dict[str, Any] = {}
    devices: dict[str, str] = {}
    for role in arguments.cell.roles:
        name = camera_node_of(role)
        camera = found[name] = arguments.node(name, camera_role=role)
        if camera.camera_role != role:
            raise CellError(f'camera_role:={camera.camera_role}: the roles are given by camera:=')
        other = devices.setdefault(os.path.realpath(camera.device_path), name)
        if other != name:
            raise CellError(
                f'{other} and {name} have the same camera {camera.device_path}; set '
                f'{name}.camera_device:=...'
            )
    return found
