"""What can be known of a run's start before a node runs: its files, its task, its device.

The bring-up calls it, so it needs no PyTorch. The learner checks the contents.
"""

from pathlib import Path

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.checkpoint_names import POLICY
from hilserl_core.policy.safetensors_header import require_bundle
from so101_node.errors import CellError
from so101_node.foreign_files import expanded

from .run_file import NAME, read_run_file

# Device files of NVIDIA's drivers: PC, WSL, Jetson
GPUS = tuple(map(Path, ('/dev/nvidiactl', '/dev/dxg', '/dev/nvhost-gpu', '/dev/nvmap')))


def require_task_of_run(run: Path, schema: TaskSchema) -> None:
    """CellError if the directory has a run of another task."""
    if not (run / NAME).exists():
        return
    if lines := schema.differences(read_run_file(run).task_schema):
        raise CellError(
            f'run {run.name} is of another task; ' + '; '.join(lines) + '; use another run name'
        )


def require_demonstrations(directories: tuple[str, ...]) -> None:
    """CellError unless each directory is a bag or has bags."""
    from hilserl_core.bags.episode_bag import find_bags  # rosbags takes long to import

    for directory in map(expanded, directories):
        if not find_bags(directory):
            raise no_bag(directory)


def no_bag(directory: Path) -> CellError:
    """Return the error for a directory of demonstrations without a bag."""
    return CellError(
        f'demos: there is no complete bag in {directory}; give a bag, or a '
        'directory of bags (of a run: runs/NAME/bags)'
    )


def require_policy(path: str, kind: str, schema: TaskSchema | None) -> None:
    """CellError unless this is a policy bundle (file) or a checkpoint (directory) of the task.

    schema: of the task; None: of any.
    """
    found = expanded(path)
    require_bundle(found / POLICY if found.is_dir() else found, kind, schema)


def require_device(device: str) -> None:
    """CellError for a GPU that this computer cannot have."""
    if device == 'cuda' and not any(file.exists() for file in GPUS):
        raise CellError(
            f'device:=cuda needs an NVIDIA GPU and its driver, and there is no {GPUS[0]}; use '
            'device:=cpu'
        )
