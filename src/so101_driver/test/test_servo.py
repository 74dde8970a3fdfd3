import pytest

from so101_driver.servo import Telemetry, error_names, from_sign_magnitude, to_sign_magnitude

# address: 56 58 60 62 63 64 65 66 67 69, as a servo sends them
BLOCK = bytes([0x34, 0x08, 0x10, 0x80, 0x2C, 0x05, 121, 41, 0, 32, 1, 0, 0, 0x0A, 0x80])


def test_telemetry_block_is_decoded_field_by_field():
    telemetry = Telemetry([BLOCK, bytes(15)])
    assert telemetry.position.tolist() == [0x834, 0]
    assert telemetry.velocity.tolist() == [-16, 0]  # sign in bit 15
    assert telemetry.load.tolist() == [pytest.approx(-0.300), 0.0]  # sign in bit 10
    assert telemetry.voltage[0] == pytest.approx(12.1)
    assert telemetry.temperature[0] == 41
    assert error_names(int(telemetry.status[0])) == ('overload',)
    assert telemetry.moving.tolist() == [True, False]
    assert telemetry.current[0] == pytest.approx(-0.065)


@pytest.mark.parametrize(
    'value, bit, word',
    [(5, 11, 5), (-5, 11, 0x805), (-2047, 11, 0xFFF), (0, 15, 0), (-1, 15, 0x8001)],
)
def test_sign_magnitude_words(value, bit, word):
    assert to_sign_magnitude(value, bit) == word
    assert from_sign_magnitude(word, bit) == value


def test_a_homing_offset_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='2048'):
        to_sign_magnitude(2048, 11)


def test_every_fault_of_an_error_byte_is_named():
    assert error_names(1 | 4 | 32) == ('voltage', 'overheat', 'overload')
    assert error_names(2 | 8) == ('angle', 'overcurrent')
    assert error_names(0) == ()
