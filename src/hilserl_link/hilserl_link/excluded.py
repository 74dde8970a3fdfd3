"""The file that names the cells whose steps are not taken, one a line. It may change."""

from collections.abc import Callable
from pathlib import Path

from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes

_LARGEST = 1 << 16  # bytes


class ExcludedCells:
    """Reads the file again and again. path: None: there is none. log: gets what changed."""

    def __init__(self, path: Path | None, log: Callable[[str], object]):
        self._path, self._log = path, log
        self._cells: frozenset[str] = frozenset()
        self._problem = ''

    def read(self) -> frozenset[str]:
        """Return the names; those of before if the file cannot be read, which is logged once."""
        try:
            cells, self._problem = self._in_file(), ''
        except CellError as error:
            if str(error) != self._problem:
                self._log(f'{error}; the excluded cells are those of before')
            self._problem = str(error)
            return self._cells
        for cell in sorted(cells ^ self._cells):
            is_new = cell in cells
            self._log(
                f'cell {cell[:60]} is excluded: its steps wait on its disk'
                if is_new
                else f'cell {cell[:60]} is not excluded any more: its steps are taken'
            )
        self._cells = cells
        return cells

    def _in_file(self) -> frozenset[str]:
        if self._path is None or not self._path.exists():
            return frozenset()
        data = read_bytes(self._path, 'the list of excluded cells', _LARGEST)
        lines = data.decode('utf-8', 'replace').splitlines()
        return frozenset(line.strip() for line in lines if line.strip())
