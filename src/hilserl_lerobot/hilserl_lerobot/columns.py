"""The columns of a dataset's parquet files, as LeRobot has them."""

from typing import TYPE_CHECKING, Any

import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

# of meta/tasks.parquet: pandas then takes the sentences as the index
PANDAS = {
    'index_columns': ['__index_level_0__'],
    'column_indexes': [
        {
            'name': None,
            'field_name': None,
            'pandas_type': 'unicode',
            'numpy_type': 'object',
            'metadata': {'encoding': 'UTF-8'},
        }
    ],
    'columns': [
        {
            'name': 'task_index',
            'field_name': 'task_index',
            'pandas_type': 'int64',
            'numpy_type': 'int64',
            'metadata': None,
        },
        {
            'name': None,
            'field_name': '__index_level_0__',
            'pandas_type': 'unicode',
            'numpy_type': 'object',
            'metadata': None,
        },
    ],
    'pandas_version': '2.2.0',
}


def type_of(feature: dict[str, Any]) -> 'pa.DataType | None':
    """Return the parquet type of a feature; None for a video."""
    import pyarrow as pa

    if feature['dtype'] == 'video':
        return None
    if feature['dtype'] == 'image':
        return pa.struct([('bytes', pa.binary()), ('path', pa.string())])
    kind = {
        'float32': pa.float32(),
        'int64': pa.int64(),
        'bool': pa.bool_(),
    }[feature['dtype']]
    size = feature['shape'][0]
    return kind if size == 1 else pa.list_(kind, size)


def array_of(values: npt.NDArray[Any], kind: 'pa.DataType') -> 'pa.Array':
    """Return values (N, D) as a column of this type."""
    import pyarrow as pa

    if not pa.types.is_fixed_size_list(kind):
        return pa.array(values[:, 0], kind)
    flat = pa.array(values.ravel(), kind.value_type)
    return pa.FixedSizeListArray.from_arrays(flat, kind.list_size)
