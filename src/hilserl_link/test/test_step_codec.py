from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
import zstandard

from hilserl_link.step_codec import DIFFERENCE, REPEATED, StepPacker, StepUnpacker
from so101_node.errors import CellError


@given(st.lists(st.one_of(st.binary(max_size=300), st.binary(min_size=64, max_size=64))))
def test_steps_come_out_as_they_went_in(steps):
    packer, unpacker = StepPacker(), StepUnpacker()
    assert [unpacker.unpack(packer.pack(step)) for step in steps] == steps


def test_what_did_not_change_since_the_step_before_costs_little():
    image = np.random.default_rng(0).integers(0, 256, 12_000, np.uint8)
    packer = StepPacker()
    assert len(packer.pack(image.tobytes())) > 12_000
    image[:100] += 1
    assert len(packer.pack(image.tobytes())) < 300


def test_two_noisy_cameras_of_128_pixels_at_10_hz_take_less_than_6_mbit_a_second():
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 240, (2, 128, 128, 3))  # a scene without any regularity
    packer, unpacker = StepPacker(), StepUnpacker()
    sizes = []
    for _ in range(20):
        noise = np.rint(rng.normal(0.0, 4.0, scene.shape)).astype(np.int64)
        step = np.clip(scene + noise, 0, 255).astype(np.uint8).tobytes()
        sizes.append(len(packed := packer.pack(step)))
        assert unpacker.unpack(packed) == step
    assert np.mean(sizes[1:]) * 8 * 10 < 6e6
    assert packed[:1] == DIFFERENCE


def test_damaged_and_huge_steps_are_one_sentence():
    def refused(packed, sentence):
        with pytest.raises(CellError, match=sentence):
            StepUnpacker().unpack(packed)

    refused(b'', 'damaged')
    refused(REPEATED + b'nothing that was packed', 'damaged')
    refused(REPEATED + zstandard.compress(bytes(1 << 25)), 'over the limit')
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100))
    refused(REPEATED + unsized, 'no size')
    refused(DIFFERENCE + zstandard.compress(bytes(100)), 'of another length')
    refused(b'\2' + zstandard.compress(bytes(100)), 'unknown kind')
