"""How a run's checkpoints are called, for who writes them and for who evaluates them."""

from pathlib import Path
import re

POLICY = 'policy.safetensors'  # in each checkpoint: the bundle that an actor loads
LATEST, BEST = 'latest', 'best'  # links to two of them
_NAME = re.compile(r'(\d+)(?:-(\d+))?')  # updates, and a number where the same count came again


def checkpoint_names(directory: Path) -> list[str]:
    """Names of all checkpoints in a directory, oldest first, whole or not."""
    found = (_NAME.fullmatch(path.name) for path in directory.iterdir())
    return [
        match[0]
        for match in sorted(filter(None, found), key=lambda m: (int(m[1]), int(m[2] or 1)))
    ]
