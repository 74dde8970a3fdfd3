"""Size and end of a PNG or JPEG, so that a small one does not fill the memory, nor a part pass."""

import struct

MAX_PIXELS = 1 << 26  # 8K has half of it
_PNG_END, _JPEG_END = b'IEND\xaeB`\x82', b'\xff\xd9'
_PNG, _JPEG = b'\x89PNG\r\n\x1a\n', b'\xff\xd8'
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # markers among those of frames that are other tables


def require_size(data: bytes) -> None:
    """ValueError if the data is neither PNG nor JPEG, or has more than MAX_PIXELS pixels."""
    try:
        width, height = size(data)
    except (struct.error, IndexError) as error:
        raise ValueError('its header is incomplete') from error
    if not 1 <= width * height <= MAX_PIXELS:
        raise ValueError(f'it has {width}x{height} pixels; allowed are 1 to {MAX_PIXELS:,}')


def require_whole(data: bytes) -> None:
    """ValueError if a PNG or JPEG was cut off, or has more than 8 bits a channel."""
    end = _PNG_END if data[:8] == _PNG else _JPEG_END
    if not data.rstrip(b'\0').endswith(end):
        raise ValueError('it was cut off')
    if data[:8] == _PNG and data[24] != 8:
        raise ValueError(f'it has {data[24]} bits a channel; only 8 are read')


def size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels; ValueError if the data is neither PNG nor JPEG."""
    width: int
    height: int
    if data[:8] == _PNG:
        width, height = struct.unpack_from('>II', data, 16)
        return width, height
    if data[:2] != _JPEG:
        raise ValueError('it is neither PNG nor JPEG')
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError('its JPEG markers are damaged')
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack_from('>HH', data, at + 5)
            return width, height
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # without a length
            at += 2
        else:
            (length,) = struct.unpack_from('>H', data, at + 2)
            at += 2 + max(length, 2)
