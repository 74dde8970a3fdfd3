"""A frame that unpacks to more than it claims, or to more than is allowed, is refused."""

import io
import struct
import tracemalloc

import lz4.frame
import pytest
from rosbags.rosbag2 import reader, storage_mcap
import zstandard

from hilserl_core.bags import decompression, mcap
from hilserl_core.bags.decompression import bound_rosbags, unpack_lz4, unpack_zstd
from hilserl_core.bags.mcap import CHUNK, MAGIC, DamagedFile

BIG = 1 << 28  # bytes; the frames have 30 kB


@pytest.fixture(scope='module')
def bombs():
    zeros = bytes(BIG)
    unsized = zstandard.ZstdCompressor(write_content_size=False)
    return {
        'zstd': zstandard.compress(zeros),
        'zstd-unsized': unsized.compress(zeros),
        'zstd-frames': zstandard.compress(b'x' * 50) + unsized.compress(zeros),
        'lz4': lz4.frame.compress(zeros),
    }


def peak(function):
    """The memory that Python allocates at most during a call, bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize('kind', ['zstd', 'zstd-unsized', 'zstd-frames', 'lz4'])
def test_a_frame_that_claims_100_bytes_does_not_unpack_to_more(bombs, kind):
    unpack = unpack_lz4 if kind == 'lz4' else unpack_zstd

    def refused():
        with pytest.raises(ValueError, match='frame'):
            unpack(bombs[kind], 100)

    assert peak(refused) < 4_000_000


@pytest.mark.parametrize('kind', ['zstd', 'zstd-unsized', 'zstd-frames', 'lz4'])
def test_a_frame_without_a_claim_unpacks_to_at_most_the_limit(bombs, kind, monkeypatch):
    monkeypatch.setattr(decompression, 'MAX_SIZE', 1_000_000)
    bound_rosbags()
    with pytest.raises(ValueError, match='1,000,000'):
        if kind == 'lz4':
            storage_mcap.DECOMPRESSORS['lz4'](bombs[kind], 1_000_000)
        else:
            reader.zstd.decompress(bombs[kind])
    with pytest.raises(ValueError, match='claims to have'):
        storage_mcap.DECOMPRESSORS[kind.split('-')[0]](bombs[kind], 2_000_000)


@pytest.mark.parametrize('size', [0, 1, 100, 3_000_000])
def test_what_is_within_its_claim_unpacks_completely(size):
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    unsized = zstandard.ZstdCompressor(write_content_size=False)
    for claim in (size, None):
        assert unpack_zstd(zstandard.compress(data), claim) == data
        assert unpack_zstd(unsized.compress(data), claim) == data
        assert unpack_lz4(lz4.frame.compress(data), claim) == data
    twice = zstandard.compress(data) + unsized.compress(data)
    assert unpack_zstd(twice, 2 * size) == data + data


@pytest.mark.parametrize('unpack', [unpack_zstd, unpack_lz4])
def test_damaged_frames_are_refused(unpack):
    pack = zstandard.compress if unpack is unpack_zstd else lz4.frame.compress
    whole = pack(b'some bytes' * 1000)
    for data in (b'', b'x' * 100, whole[:-5], whole[:8]):
        with pytest.raises(ValueError, match='frame'):
            unpack(data, 10_000)


@pytest.mark.parametrize('claim', [100, BIG, 1 << 60])
def test_a_chunk_of_an_mcap_file_does_not_unpack_to_more_than_it_claims(bombs, tmp_path, claim):
    compressed = bombs['zstd-frames']
    chunk = struct.pack('<QQQI', 0, 0, claim, 0) + struct.pack('<I', 4) + b'zstd'
    chunk += struct.pack('<Q', len(compressed)) + compressed
    (tmp_path / 'a.mcap').write_bytes(MAGIC + struct.pack('<BQ', CHUNK, len(chunk)) + chunk)

    def refused():
        with pytest.raises(DamagedFile):
            list(mcap.read([tmp_path / 'a.mcap']))

    # BIG is allowed, but the frame has 50 bytes more than that
    assert peak(refused) < (3 * BIG if claim == BIG else 4_000_000)


def test_a_compressed_file_ends_at_the_limit_and_leaves_some_disk_free(bombs, monkeypatch):
    bound_rosbags()
    monkeypatch.setattr(decompression, 'MAX_FILE', 5_000_000)
    with reader.zstd.open(io.BytesIO(bombs['zstd']), 'rb') as file:
        with pytest.raises(ValueError, match='more than 5,000,000'):
            while file.read():
                pass
    monkeypatch.setattr(decompression, 'MAX_FILE', 1 << 40)
    monkeypatch.setattr(decompression, 'FREE', 1 << 60)
    with reader.zstd.open(io.BytesIO(bombs['zstd']), 'rb') as file:
        with pytest.raises(ValueError, match='free some disk space'):
            file.read()
