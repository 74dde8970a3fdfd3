"""A policy of another program: `lerobot:DIR`. Its files, without loading them."""

import hashlib
from pathlib import Path

from so101_node.errors import CellError
from so101_node.foreign_files import expanded, file_size

PREFIX = 'lerobot:'
CONFIG, MODEL = 'config.json', 'model.safetensors'
INNER = 'pretrained_model'  # where LeRobot's training puts the files of a checkpoint
MAX_FILE = 8 << 30  # bytes


def is_other(policy: str) -> bool:
    """Return whether policy:= names a policy of another program."""
    return policy.startswith(PREFIX)


def directory_of(policy: str) -> Path:
    """Return the directory that holds the files of `lerobot:DIR`; CellError if none does.

    DIR: the directory itself, a checkpoint or an output directory of LeRobot's training.
    """
    given = expanded(policy.removeprefix(PREFIX)).absolute()
    for found in (given, given / INNER, given / 'checkpoints' / 'last' / INNER):
        if (found / CONFIG).is_file():
            for name in (CONFIG, MODEL):
                file_size(found / name, 'LeRobot policy', MAX_FILE, 'copy the directory again')
            return found
    raise CellError(
        f'{policy}: {given} is no policy of LeRobot: neither it nor {INNER} in it has {CONFIG}'
    )


def label_of(directory: Path) -> str:
    """Return a short name of the policy, for directories of results."""
    return directory.parent.name if directory.name == INNER else directory.name


def digest_of(directory: Path) -> str:
    """Return the SHA-256 over the policy's weights, its configuration and its normalisation."""
    found = hashlib.sha256()
    for file in sorted([*directory.glob('*.json'), *directory.glob('*.safetensors')]):
        if file.name == 'train_config.json':
            continue
        file_size(file, 'LeRobot policy', MAX_FILE)
        found.update(file.name.encode() + b'\0')
        with open(file, 'rb') as data:
            found.update(hashlib.file_digest(data, 'sha256').digest())
    return found.hexdigest()
