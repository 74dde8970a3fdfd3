"""The scene of a task in the simulated cell: finds its MJCF file and compiles it.

A scene is the arm (so101.xml), a table, and the bodies of the task.
"""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hilserl_core.contract.scene_file import Simulation
from hilserl_core.contract.tasks import read_task, task_path
from so101_description.joints import JOINTS
from so101_description.model import MJCF_PATH
from so101_node.errors import CellError
from so101_node.foreign_files import expanded, read_bytes
from so101_node.names import TOOL_FRAME, WRIST_CAMERA

if TYPE_CHECKING:  # the options of the nodes need only names, and --help must be quick
    import mujoco

DIRECTORY = Path(__file__).resolve().parent / 'scene'
MAX_BYTES = 10_000_000  # of a scene file
TIMESTEP = 0.0025  # s of the physics; `World.step` counts in it


class Scene(NamedTuple):
    """What a task has under `sim`, and the path of its MJCF file."""

    simulation: Simulation
    path: Path


def scene_of(task: str) -> Scene:
    """Return the scene of a task, given by its name or the path of its file.

    CellError if the task has no scene or no success, or there is no such task.
    """
    found, path = read_task(task), task_path(task)
    if found.sim is None:
        raise CellError(
            f'task {path} has no key sim, so the simulated cell cannot run it; add scene, place '
            'and success (docs/tasks.md), or use sim:=false'
        )
    return Scene(found.sim, scene_path(found.sim.scene, path))


def scene_path(scene: str, task: Path) -> Path:
    """Return the path of a scene: of this suite by its name, else relative to the task file."""
    own = DIRECTORY / scene
    beside: Path = task.parent / expanded(scene)
    return own if '/' not in scene and own.exists() and not beside.exists() else beside


def load_scene(path: Path, distractors: int = 0) -> 'mujoco.MjModel':
    """Compile a scene with this number of distractors.

    Another model of the arm gets our tool frame and wrist camera. CellError if the scene is no
    MJCF, or has not the arm's joints.
    """
    import mujoco

    from .distractors import add_distractors
    from .other_arm import add_mounts

    read_bytes(path, 'scene', MAX_BYTES, 'correct sim.scene of the task')
    included = [MJCF_PATH, *sorted(DIRECTORY.glob('*.xml'))]
    assets = {file.name: file.read_bytes() for file in included if file != path}
    try:
        spec = mujoco.MjSpec.from_file(str(path), include=assets)
        add_distractors(spec, distractors)
        model = spec.compile()
    except ValueError as error:
        raise CellError(f'scene {path}: {" ".join(str(error).split())[:300]}') from error
    for kind in (mujoco.mjtObj.mjOBJ_JOINT, mujoco.mjtObj.mjOBJ_ACTUATOR):
        for name in JOINTS:
            if mujoco.mj_name2id(model, kind, name) < 0:
                word = kind.name.removeprefix('mjOBJ_').lower()
                raise CellError(f'scene {path} has no {word} {name}; include so101.xml')
    if abs(model.opt.timestep - TIMESTEP) > 1e-9:
        raise CellError(
            f'scene {path} has a timestep of {1e3 * model.opt.timestep:g} ms, the simulated cell '
            f'{1e3 * TIMESTEP:g}; include table.xml, or set <option timestep="{TIMESTEP:g}"/>'
        )
    site = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, TOOL_FRAME)
    camera = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, WRIST_CAMERA)
    if min(site, camera) < 0:
        add_mounts(spec, model)
        model = spec.compile()
    return model


def body_id(model: 'mujoco.MjModel', name: str) -> int:
    """Return the number of a body of the scene; CellError if there is none of this name."""
    import mujoco

    number = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name)
    if number < 0:
        raise CellError(f'the scene has no body {name!r}, which the task names')
    return int(number)
