"""Writes a LeRobot dataset of version 3.0, episode by episode: parquet, MP4 or PNG, and metadata.

Everything is written into a directory beside the dataset, which gets its name when it is complete.
"""

from collections.abc import Iterable, Iterator
import json
from pathlib import Path
import shutil
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from so101_node.durable import writing
from so101_node.errors import CellError

from . import layout
from .columns import PANDAS, array_of, type_of
from .statistics import ImageStatistics, of_columns
from .video import VideoWriter, video_info

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Image = npt.NDArray[np.uint8]
ROWS = 256  # written at a time, of one episode or of several short ones


class DatasetWriter:
    """Use it in a `with`: at the end of it `directory` exists; after an exception it does not.

    features: of what an episode has, without LeRobot's default ones; images have dtype `video` or
    `image`. CellError if `directory` exists, or cannot be written.
    """

    def __init__(self, directory: Path, features: dict[str, Any], fps: int):
        if directory.exists():
            raise CellError(f'{directory} exists; remove it, or export to another directory')
        self.directory, self.fps = directory, fps
        self.features = {**features, **layout.default_features()}
        self.episodes: list[dict[str, Any]] = []
        self._beside = directory.parent / f'.{directory.name}.unfinished'
        self._cameras = [n for n, f in features.items() if f['dtype'] in ('video', 'image')]
        self._tasks: list[str] = []
        self._rows = 0
        self._numbers: dict[str, list[npt.NDArray[Any]]] = {}
        self._images = {name: ImageStatistics() for name in self._cameras}
        self._videos: dict[str, VideoWriter] = {}
        self._video_files = dict.fromkeys(self._cameras, 0)
        self._data: pq.ParquetWriter | None = None
        self._data_file = 0
        self._tables: list[pa.Table] = []  # not written yet
        self.finals: list[dict[str, Any]] = []  # of this suite: final observations
        self.more: dict[str, Any] = {}  # further keys of meta/info.json

    def __enter__(self) -> 'DatasetWriter':
        with writing(self.directory):
            shutil.rmtree(self._beside, ignore_errors=True)
            self._beside.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                with writing(self.directory):
                    for video in self._videos.values():
                        video.close()
                    self._close_data()
                    self._write_metadata()
                    self._beside.rename(self.directory)
        finally:
            for video in self._videos.values():
                video.end()
            if self._data:
                self._data.close()
            shutil.rmtree(self._beside, ignore_errors=True)

    def add_episode(
        self,
        columns: dict[str, npt.NDArray[Any]],
        images: dict[str, Iterable[Image]],
        task: str,
        more: dict[str, Any],
    ) -> None:
        """Add an episode of N rows.

        columns: (N, D) of each feature but images and default ones; images: N of each camera;
        more: of its own for the metadata of episodes.
        """
        count = len(next(iter(columns.values())))
        if task not in self._tasks:
            self._tasks.append(task)
        number = len(self.episodes)
        columns = columns | {
            'timestamp': np.arange(count, dtype=np.float32)[:, None] / np.float32(self.fps),
            'frame_index': np.arange(count)[:, None],
            'episode_index': np.full((count, 1), number),
            'index': np.arange(self._rows, self._rows + count)[:, None],
            'task_index': np.full((count, 1), self._tasks.index(task)),
        }
        entry: dict[str, Any] = {
            'episode_index': number,
            'tasks': [task],
            'length': count,
            **self._data_place(),
            'dataset_from_index': self._rows,
            'dataset_to_index': self._rows + count,
        }
        with writing(self.directory):
            found = {name: ImageStatistics() for name in self._cameras}
            stored = {
                name: self._seen(images[name], found[name])
                for name in self._cameras
                if self.features[name]['dtype'] == 'image'
            }
            for name in self._cameras:
                if name not in stored:
                    entry |= self._write_video(name, self._seen(images[name], found[name]), count)
            self._write_rows(columns, stored, count)
        statistics = of_columns(columns) | {name: each.data() for name, each in found.items()}
        for name, values in statistics.items():
            entry |= {f'stats/{name}/{kind}': value for kind, value in values.items()}
        for name, each in found.items():
            self._images[name].merge(each)
        for name, rows in columns.items():
            self._numbers.setdefault(name, []).append(rows)
        self._rows += count
        entry |= {'meta/episodes/chunk_index': 0, 'meta/episodes/file_index': 0, **more}
        self.episodes.append(entry)

    @staticmethod
    def _seen(images: Iterable[Image], statistics: ImageStatistics) -> Iterator[Image]:
        for image in images:
            statistics.add(image)
            yield image

    def _data_place(self) -> dict[str, Any]:
        """Where the next episode's rows go; begins a new file if the present one is large."""
        path = self._beside / _numbered(layout.DATA, self._data_file)
        if self._data and path.stat().st_size > layout.DATA_MB << 20:
            self._close_data()
            self._data_file += 1
        chunk, file = divmod(self._data_file, layout.CHUNK)
        return {'data/chunk_index': chunk, 'data/file_index': file}

    def _write_rows(
        self, columns: dict[str, npt.NDArray[Any]], images: dict[str, Iterator[Image]], count: int
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([(n, type_of(f)) for n, f in self.features.items() if type_of(f)])
        if self._data is None:
            path = self._beside / _numbered(layout.DATA, self._data_file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._data = pq.ParquetWriter(path, schema, compression='snappy')
        for start in range(0, count, ROWS):
            rows = slice(start, min(start + ROWS, count))
            arrays = [
                pa.array(_pngs(images[field.name], rows), field.type)
                if field.name in images
                else array_of(columns[field.name][rows], field.type)
                for field in schema
            ]
            self._tables.append(pa.table(arrays, schema=schema))
            if sum(map(len, self._tables)) >= ROWS:
                self._write_tables()

    def _write_tables(self) -> None:
        import pyarrow as pa

        if self._data and self._tables:
            self._data.write_table(pa.concat_tables(self._tables).combine_chunks())
        self._tables.clear()

    def _close_data(self) -> None:
        self._write_tables()
        if self._data:
            self._data.close()
        self._data = None

    def _write_video(self, name: str, images: Iterator[Image], count: int) -> dict[str, Any]:
        height, width = self.features[name]['shape'][:2]
        video = self._videos.get(name)
        if video and video.path.stat().st_size > layout.VIDEO_MB << 20:
            video.close()
            self._video_files[name] += 1
            video = None
        if video is None:
            file = _numbered(layout.VIDEO, self._video_files[name], video_key=name)
            video = self._videos[name] = VideoWriter(self._beside / file, self.fps, height, width)
            self.features[name]['info'] = video_info(self.fps, height, width)
        before = video.frames
        for image in images:
            video.write(image)
        if video.frames - before != count:
            raise CellError(f'{name} has {video.frames - before} images for {count} rows')
        chunk, file_index = divmod(self._video_files[name], layout.CHUNK)
        return {
            f'videos/{name}/chunk_index': chunk,
            f'videos/{name}/file_index': file_index,
            f'videos/{name}/from_timestamp': before / self.fps,
            f'videos/{name}/to_timestamp': video.frames / self.fps,
        }

    def _write_metadata(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self.episodes:
            raise CellError(f'there is no episode to export to {self.directory}')
        names = dict.fromkeys(name for entry in self.episodes for name in entry)
        table = pa.table({n: [entry.get(n) for entry in self.episodes] for n in names})
        _write_table(table, self._beside / layout.EPISODES.format(chunk_index=0, file_index=0))
        tasks = pa.table(
            {'task_index': list(range(len(self._tasks))), '__index_level_0__': self._tasks}
        )
        pandas = json.dumps(PANDAS).encode()
        pq.write_table(
            tasks.replace_schema_metadata({b'pandas': pandas}), self._beside / layout.TASKS
        )
        if self.finals:
            _write_table(pa.Table.from_pylist(self.finals), self._beside / layout.FINAL)
        statistics: dict[str, Any] = of_columns(
            {name: np.concatenate(rows) for name, rows in self._numbers.items()}
        )
        statistics |= {name: each.data() for name, each in self._images.items()}
        known = {name: values for name, values in statistics.items() if values}
        (self._beside / layout.STATS).write_text(json.dumps(known, indent=4))
        (self._beside / layout.INFO).write_text(
            json.dumps(self._info(), indent=4, ensure_ascii=False)
        )

    def _info(self) -> dict[str, Any]:
        is_video = any(self.features[name]['dtype'] == 'video' for name in self._cameras)
        return {
            'codebase_version': layout.VERSION,
            'robot_type': 'so101_follower',
            'total_episodes': len(self.episodes),
            'total_frames': self._rows,
            'total_tasks': len(self._tasks),
            'chunks_size': layout.CHUNK,
            'data_files_size_in_mb': layout.DATA_MB,
            'video_files_size_in_mb': layout.VIDEO_MB,
            'fps': self.fps,
            'splits': {'train': f'0:{len(self.episodes)}'},
            'data_path': layout.DATA,
            'video_path': layout.VIDEO if is_video else None,
            'features': self.features,
            **self.more,
        }


def _numbered(pattern: str, number: int, **names: str) -> str:
    chunk, file = divmod(number, layout.CHUNK)
    return pattern.format(chunk_index=chunk, file_index=file, **names)


def png(image: Image) -> bytes:
    """Return an image (height, width, 3) uint8 RGB as PNG."""
    return bytes(cv2.imencode('.png', image[:, :, ::-1])[1])


def _pngs(images: Iterator[Image], rows: slice) -> list[dict[str, Any]]:
    found = []
    for number in range(rows.start, rows.stop):
        found.append({'bytes': png(next(images)), 'path': f'frame-{number:06d}.png'})
    return found


def _write_table(table: 'pa.Table', path: Path) -> None:
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression='snappy')
