"""The names of a run's checkpoints. The learner writes them; the evaluation reads them."""

from pathlib import Path
import re

MAX_POLICY = 1_000_000_000  # bytes; the largest networks that can be configured have less
POLICY = 'policy.safetensors'  # in each checkpoint: the bundle that an actor loads
LATEST, BEST = 'latest', 'best'  # links to two of the checkpoints
_NAME = re.compile(
    r'(\d+)(?:-(\d+))?'
)  # number of updates, and a suffix if that number exists already


def checkpoint_names(directory: Path) -> list[str]:
    """Names of all checkpoints in a directory, oldest first, complete or not."""
    found = (_NAME.fullmatch(path.name) for path in directory.iterdir())
    return [
        match[0]
        for match in sorted(filter(None, found), key=lambda m: (int(m[1]), int(m[2] or 1)))
    ]
