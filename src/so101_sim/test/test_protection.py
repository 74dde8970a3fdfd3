"""The servo's overload and overcurrent protection, as set in its registers."""

from so101_sim import protection, sts3215
from so101_sim.sts3215 import Sensed, Sts3215

PUSHING = Sensed(2048.0, load=0.3, current=0.8)


def make_servo(monkeypatch):
    """Return a gripper servo with the driver's settings, and its clock."""
    clock = [100.0]
    monkeypatch.setattr(sts3215.time, 'monotonic', lambda: clock[0])
    servo = Sts3215(6, Sensed(2048.0))
    servo.memory[sts3215.OVERLOAD_TORQUE] = 25
    servo.write(sts3215.TORQUE_ENABLE, b'\1')
    return servo, clock


def push(servo, clock, seconds, sensed=PUSHING):
    for _ in range(round(seconds / 0.05)):
        clock[0] += 0.05
        servo.sensed = sensed


def test_load_over_the_limit_for_the_protection_time_latches_and_cuts_the_torque(monkeypatch):
    servo, clock = make_servo(monkeypatch)
    push(servo, clock, 1.9)
    assert not servo.error and servo.torque_limit == 1.0
    push(servo, clock, 0.3)
    assert servo.error == protection.OVERLOAD_ERROR and servo.torque_limit == 0.2
    push(servo, clock, 1.0, Sensed(2048.0))
    assert servo.error == protection.OVERLOAD_ERROR  # latched
    servo.write(sts3215.TORQUE_ENABLE, b'\0')
    assert not servo.error
    push(servo, clock, 5.0)  # nothing is driven
    assert not servo.error


def test_a_pause_in_the_load_restarts_the_protection_time(monkeypatch):
    servo, clock = make_servo(monkeypatch)
    for _ in range(5):
        push(servo, clock, 1.5)
        push(servo, clock, 0.05, Sensed(2048.0, load=-0.2))
    assert not servo.error


def test_both_directions_count_and_the_register_sets_the_time(monkeypatch):
    servo, clock = make_servo(monkeypatch)
    servo.memory[sts3215.PROTECTION_TIME] = 20
    push(servo, clock, 0.3, PUSHING._replace(load=-0.3))
    assert servo.error == protection.OVERLOAD_ERROR


def test_overcurrent_for_its_time_cuts_the_drive(monkeypatch):
    servo, clock = make_servo(monkeypatch)
    servo.memory[sts3215.PROTECTION_CURRENT : sts3215.PROTECTION_CURRENT + 2] = b'\xfa\0'
    push(servo, clock, 2.2, Sensed(2048.0, load=0.1, current=1.6))  # 250 are 1.625 A
    assert not servo.error
    push(servo, clock, 2.2, Sensed(2048.0, load=0.1, current=1.7))
    assert servo.error == protection.OVERCURRENT_ERROR and servo.torque_limit == 0.0


def test_the_torque_limit_after_power_on_is_that_of_the_eeprom():
    servo = Sts3215(6, Sensed(2048.0))
    servo.write(sts3215.LOCK, b'\0')
    servo.write(sts3215.MAX_TORQUE, (500).to_bytes(2, 'little'))
    assert servo.torque_limit == 1.0
    servo.power_cycle(False)
    servo.power_cycle(True)
    assert servo.torque_limit == 0.5
