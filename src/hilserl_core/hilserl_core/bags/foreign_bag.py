"""Checks a bag that comes from elsewhere before the library rosbags opens it.

rosbags trusts a bag: it expands aliases in metadata.yaml, waits at a pipe, and unpacks without a
limit. `require_ordinary` refuses such a bag; decompression.py bounds what is unpacked.
"""

from pathlib import Path

from so101_node.data_files import MAX_BYTES, yaml_value
from so101_node.errors import CellError
from so101_node.foreign_files import file_size, read_bytes

from .decompression import bound_rosbags

MAX_BAG_FILE = 1 << 42  # bytes
MAX_METADATA = 10 * MAX_BYTES  # a recording in a thousand parts has 0.3 MB


def require_ordinary(directory: Path) -> None:
    """CellError if a bag has files that are no ordinary files, or metadata that is hostile.

    A single file is a bag too. Afterwards rosbags unpacks with limits in this process.
    """
    bound_rosbags()
    if not directory.is_dir():
        file_size(directory, 'bag', MAX_BAG_FILE)
        return
    metadata = directory / 'metadata.yaml'
    data = read_bytes(
        metadata, 'bag', MAX_METADATA, 'if it was cut off, `ros2 bag reindex` may repair it'
    )
    try:
        content = yaml_value(data)
        names = content['rosbag2_bagfile_information']['relative_file_paths']
        files = [directory / Path(name).name for name in names]
    except (ValueError, TypeError, LookupError) as error:
        text = str(error)[:200] or type(error).__name__
        raise CellError(
            f'bag {directory} cannot be read: metadata.yaml is damaged: {text}; '
            '`ros2 bag reindex` may repair it'
        ) from error
    for file in files:
        file_size(file, 'bag file', MAX_BAG_FILE, 'copy the whole bag again')
