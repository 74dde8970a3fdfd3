"""Finds the source tree; the verbs for developers work on it, not on the installed files."""

from pathlib import Path

from so101_node.errors import CellError


def source_root() -> Path:
    """Return the directory of `cell`; CellError if the suite was installed without its source."""
    root = Path(__file__).resolve().parents[2]  # resolved: colcon links the package
    if not (root / 'cell').is_file():
        raise CellError(f'{root} is not the source tree: build with --symlink-install')
    return root
