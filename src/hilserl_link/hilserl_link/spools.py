"""The spools of one cell, one for each run: steps of a run go only to the learner of that run."""

from pathlib import Path
import threading

from so101_node.errors import CellError
from so101_node.run_id import check_run_id

from .spool import Spool

SUFFIX = '.sqlite'


class Spools:
    """The spools in a directory. Any thread may call it. limit: bytes, of each."""

    def __init__(self, directory: Path, limit: int):
        self._directory, self._limit = directory, limit
        self._lock = threading.Lock()
        self._open: dict[str, Spool] = {}
        for file in sorted(directory.glob(f'*{SUFFIX}')):
            self.of(file.name.removesuffix(SUFFIX))

    def of(self, run_id: str) -> Spool:
        """Return the spool of a run, made if there is none; CellError if it cannot be used."""
        with self._lock:
            if run_id not in self._open:
                check_run_id(run_id)
                if not run_id:
                    raise CellError('it is of no run')
                self._open[run_id] = Spool(self._directory / f'{run_id}{SUFFIX}', self._limit)
            return self._open[run_id]

    @property
    def lost(self) -> int:
        """Steps that were not stored."""
        return sum(spool.lost for spool in list(self._open.values()))

    @property
    def waiting(self) -> int:
        """Steps that wait, of all runs."""
        return sum(map(len, list(self._open.values())))

    def of_other_runs(self, run_id: str) -> int:
        """Steps that wait for the learners of other runs."""
        return sum(len(spool) for run, spool in list(self._open.items()) if run != run_id)

    def close(self) -> None:
        """Close the files."""
        for spool in self._open.values():
            spool.close()
        self._open.clear()
