"""Reads a LeRobot dataset of version 3.0 or 2.1 that lies on this computer, and checks it.

A dataset comes from elsewhere. Paths in its metadata are not used: files are where LeRobot puts
them. Each problem is one sentence.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from so101_node.encoded_image import require_size
from so101_node.errors import CellError
from so101_node.foreign_files import file_size, read_bytes

from . import layout
from .joint_names import flat
from .video import read_frames

if TYPE_CHECKING:
    import pyarrow as pa

MAX_INFO, MAX_EPISODES, MAX_DATA = 10_000_000, 1 << 32, 1 << 40  # bytes
MOST_ROWS = 1_000_000  # of an episode
REMEDY = 'copy the whole dataset again'
Image = npt.NDArray[np.uint8]


class Feature(msgspec.Struct):
    """A feature as meta/info.json describes it. units, ranges: of this suite."""

    dtype: str
    shape: list[int]
    names: Any = None
    units: list[str] | None = None
    ranges: list[tuple[int, int]] | None = None

    @property
    def size(self) -> int:
        """Number of values in a row."""
        return int(np.prod(self.shape))


class Info(msgspec.Struct):
    """What is used of meta/info.json."""

    codebase_version: str
    fps: float
    features: dict[str, Feature]
    chunks_size: int = layout.CHUNK
    robot_type: str | None = None
    hilserl: dict[str, str] | None = None


@dataclass(frozen=True)
class Episode:
    """An entry of the dataset's list of episodes. metadata: its other columns."""

    number: int
    length: int
    data: Path
    metadata: dict[str, Any]


class Dataset:
    """A dataset; CellError if its metadata is missing, damaged or of another version."""

    def __init__(self, directory: Path):
        self.directory = directory
        file = directory / layout.INFO
        data = read_bytes(file, 'dataset', MAX_INFO, 'give the directory that has meta/')
        try:
            self.info = msgspec.json.decode(data, type=Info)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CellError(f'dataset {file} is damaged: {error}; {REMEDY}') from error
        self.version = self.info.codebase_version
        if self.version not in (layout.VERSION, layout.OLD_VERSION):
            raise CellError(
                f'dataset {directory} has version {self.version[:40]!r}; {layout.VERSION} and '
                f'{layout.OLD_VERSION} can be read; convert it with LeRobot'
            )
        if not 1.0 <= self.info.fps <= 1000.0:
            raise CellError(
                f'dataset {directory} has fps {self.info.fps:g}; 1 to 1000 are allowed'
            )
        if slashed := [name for name in self.info.features if '/' in name]:
            raise CellError(f'dataset {directory}: the feature {slashed[0][:80]!r} has a slash')
        if self.info.chunks_size < 1:
            raise CellError(f'dataset {directory} has chunks_size {self.info.chunks_size}')
        with self.reading('its list of episodes'):
            self.episodes = list(self._episodes())
        self._table: tuple[Path, pa.Table] | None = None

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Turn the errors of damaged files into a CellError."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
            text = ' '.join(str(error).split())[:200]
            raise CellError(
                f'dataset {self.directory}: {what} cannot be read: {text}; {REMEDY}'
            ) from error

    @property
    def cameras(self) -> list[str]:
        """The features that are images."""
        return [n for n, f in self.info.features.items() if f.dtype in ('video', 'image')]

    def names(self, feature: str) -> list[str]:
        """Return the names of a feature's values; [] if it has none."""
        return flat(self.info.features[feature].names)

    def _episodes(self) -> Iterator[Episode]:
        if self.version == layout.OLD_VERSION:
            path = self.directory / layout.OLD_EPISODES
            for line in read_bytes(path, 'dataset file', MAX_EPISODES, REMEDY).splitlines():
                entry = msgspec.json.decode(line)
                number = int(entry['episode_index'])
                yield self._entry(number, self._old(layout.OLD_DATA, number), entry)
            return
        files = sorted((self.directory / 'meta' / 'episodes').glob('*/*.parquet'))
        if not files:
            raise CellError(f'dataset {self.directory} has no meta/episodes; {REMEDY}')
        for file in files:
            for entry in self._read(file).to_pylist():
                place = int(entry['data/chunk_index']), int(entry['data/file_index'])
                data = layout.DATA.format(chunk_index=place[0], file_index=place[1])
                yield self._entry(int(entry['episode_index']), self.directory / data, entry)

    def _entry(self, number: int, data: Path, entry: dict[str, Any]) -> Episode:
        length = int(entry['length'])
        if not 0 < length <= MOST_ROWS:
            raise CellError(
                f'dataset {self.directory}: episode {number} has {length} rows; 1 to '
                f'{MOST_ROWS:,} are allowed'
            )
        return Episode(number, length, data, entry)

    def _old(self, pattern: str, number: int, **names: str) -> Path:
        chunk = number // self.info.chunks_size
        return self.directory / pattern.format(episode_chunk=chunk, episode_index=number, **names)

    def _read(self, file: Path, images: bool = False) -> 'pa.Table':
        import pyarrow.parquet as pq

        file_size(file, 'dataset file', MAX_DATA, REMEDY)
        with self.reading(str(file.relative_to(self.directory))):
            schema = pq.read_schema(file)
            names = [
                name
                for name in schema.names
                if not name.startswith('stats/') and (images or name not in self.cameras)
            ]
            return pq.read_table(file, columns=names)

    def rows(self, episode: Episode, columns: list[str]) -> dict[str, npt.NDArray[Any]]:
        """Return columns (N, D) of an episode, and check timestamps.

        CellError if rows or columns are missing, or if the rows are not 1 / fps apart.
        """
        table = self._rows(episode, images=False)
        found = {}
        for name in [*columns, 'timestamp']:
            if name not in table.column_names:
                raise CellError(f'dataset {self.directory}: {episode.data} has no column {name}')
            with self.reading(f'{name} of episode {episode.number}'):
                values = np.array(table[name].to_pylist())
            found[name] = values.reshape(episode.length, -1)
        self._require_rate(episode, found['timestamp'][:, 0])
        return found

    def _rows(self, episode: Episode, images: bool) -> 'pa.Table':
        import pyarrow.compute as pc

        if images or not self._table or self._table[0] != episode.data:
            table = self._read(episode.data, images)
            if not images:
                self._table = episode.data, table
        else:
            table = self._table[1]
        with self.reading(f'rows of episode {episode.number}'):
            table = table.filter(pc.equal(table['episode_index'], episode.number))
        if table.num_rows != episode.length:
            raise CellError(
                f'dataset {self.directory}: episode {episode.number} has {table.num_rows} rows, '
                f'but its metadata says {episode.length}; {REMEDY}'
            )
        return table

    def _require_rate(self, episode: Episode, times: npt.NDArray[Any]) -> None:
        expected = np.arange(len(times)) / self.info.fps
        wrong = np.flatnonzero(~(np.abs(times - times[0] - expected) < 0.5 / self.info.fps))
        if len(wrong):
            row = int(wrong[0])
            raise CellError(
                f'dataset {self.directory}: row {row} of episode {episode.number} is at '
                f'{times[row]:.3f} s, but with fps {self.info.fps:g} it is at {expected[row]:.3f} '
                's; correct fps in meta/info.json'
            )

    def images(
        self, episode: Episode, feature: str, wanted: set[int]
    ) -> Iterator[tuple[int, Image]]:
        """Yield the wanted images of an episode with their rows: (height, width, 3) uint8 RGB."""
        height, width = self.info.features[feature].shape[:2]
        for row, image in self._images(episode, feature, wanted):
            if image.shape != (height, width, 3):
                raise CellError(
                    f'dataset {self.directory}: {feature} of episode {episode.number} is '
                    f'{image.shape[1]}x{image.shape[0]}, but its metadata says {width}x{height}'
                )
            yield row, image

    def _images(
        self, episode: Episode, feature: str, wanted: set[int]
    ) -> Iterator[tuple[int, Image]]:
        if self.info.features[feature].dtype == 'image':
            column = self._rows(episode, images=True)[feature]
            for row in sorted(wanted):
                yield row, decoded(column[row].as_py(), f'{feature} of episode {episode.number}')
            return
        if self.version == layout.OLD_VERSION:
            path = self._old(layout.OLD_VIDEO, episode.number, video_key=feature)
            yield from read_frames(path, self.info.fps, 0.0, wanted)
            return
        entry, key = episode.metadata, f'videos/{feature}'
        with self.reading(f'the place of {feature} in meta/episodes'):
            chunk, file = int(entry[f'{key}/chunk_index']), int(entry[f'{key}/file_index'])
            start = float(entry[f'{key}/from_timestamp'])
        video = layout.VIDEO.format(video_key=feature, chunk_index=chunk, file_index=file)
        yield from read_frames(self.directory / video, self.info.fps, start, wanted)

    def finals(self) -> dict[int, dict[str, Any]]:
        """Return this suite's final observations by episode; {} if the dataset has none."""
        path = self.directory / layout.FINAL
        if not path.exists():
            return {}
        return {int(row['episode_index']): row for row in self._read(path, True).to_pylist()}


def decoded(stored: Any, what: str) -> Image:
    """Return a stored image (bytes, or {'bytes': ...}) as (height, width, 3) uint8 RGB."""
    data = stored.get('bytes') if isinstance(stored, dict) else stored
    if data:
        require_size(data)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise CellError(f'{what}: an image is damaged, or is not inside the parquet file')
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)
