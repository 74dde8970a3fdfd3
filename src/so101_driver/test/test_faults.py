"""All faults of the emulator at random moments of a long run, and the latch alone."""

import random
import sys
import time

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import running, wait_for
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.joints import JOINTS
from so101_driver.faults import FALL, OVERLOAD, RISE, Faults
from so101_driver.servo import ERROR_BITS
from so101_node.errors import CellError
from so101_sim.sts3215 import PROTECTION_TIME
from so101_sim.wire_faults import KINDS

pytestmark = pytest.mark.timing

CYCLES = 2200
RATE = 400.0
RECOVERY = 4.0  # s from the end of a fault to a moving arm, on a busy machine


def power_cycle(arm, random):
    servo = random.choice(arm.servos)
    servo.power_cycle(False)
    time.sleep(0.8)
    servo.power_cycle(True)


def brown_out(arm, random):
    """Interrupt the supply of two servos for a moment, too short to be a lost link."""
    browned = random.sample(arm.servos, 2)
    for servo in browned:
        servo.power_cycle(False)
    time.sleep(random.uniform(0.0, 0.4))
    for servo in browned:
        servo.power_cycle(True)


def break_line(arm, random):
    arm.connect(False)
    time.sleep(0.43)
    arm.connect(True)


def replug(arm, random):
    arm.unplug_port()
    time.sleep(0.2)
    arm.plug_port()


def block(arm, random):
    """Block a joint for longer than the protection time of its servo."""
    servo = random.choice(arm.servos)
    servo.memory[PROTECTION_TIME] = 5
    arm.hold = {servo.id}
    time.sleep(0.3)
    arm.hold = set()


def glitch(name, value):
    def break_it(arm, random):
        servo = random.choice(arm.servos)
        setattr(servo, name, value)
        time.sleep(0.15)
        setattr(servo, name, 0)

    return break_it


SERVO_FAULTS = {
    'servo missing': power_cycle,
    'brown-out': brown_out,
    'data line broken': break_line,
    'port unplugged': replug,
    'joint blocked': block,
    'voltage sag': glitch('sag', 9.0),
    'heat': glitch('heat', 60.0),
    'latched overload': lambda arm, random: random.choice(arm.servos).overload(),
    'overload that refuses once': lambda arm, random: random.choice(arm.servos).overload(1),
} | {f'error bit {name}': glitch('faults', bit) for bit, name in ERROR_BITS.items()}


def wire_fault(kind):
    def break_it(arm, random):
        for _ in range(20):
            arm.faults.inject(
                kind,
                servo=random.choice((None, 1, 2, 3, 4, 5, 6)),
                count=random.randrange(1, 4),
                delay=0.004,
            )
            time.sleep(random.uniform(0.0, 0.02))

    return break_it


@pytest.fixture
def quick_turns():
    """Shorten the switch interval of Python's threads, the servos' among them."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(2e-4)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.slow
def test_limits_hold_and_the_arm_recovers_after_every_fault(tmp_path, quick_turns):
    chance = random.Random(7)
    matrix = SERVO_FAULTS | {f'wire: {kind}': wire_fault(kind) for kind in KINDS}
    order, slowest = sorted(matrix), 0.0
    chance.shuffle(order)
    with EmulatedArm(tmp_path / 'port') as emulated, running(emulated, rate=RATE) as run:
        arm = run.arm
        arm.set_torque(True)
        while order or arm.cycle.count < CYCLES:
            target = np.array([chance.uniform(-4, 4) for _ in JOINTS])
            name = order.pop() if order else chance.choice(sorted(matrix))
            time.sleep(chance.uniform(0.0, 0.1))
            matrix[name](emulated, chance)
            began = time.monotonic()

            def recovered():
                if arm.servos.faults.sentence():
                    arm.clear_faults()
                if not (arm.lost or arm.torque.on):  # a person asks for it after a lost supply
                    arm.set_torque(True)
                try:
                    run.command(target)
                except CellError:
                    return False
                return arm.torque.on and not arm.setpoint.holding

            try:
                wait_for(recovered, RECOVERY)
            except AssertionError as error:
                raise AssertionError(
                    f'{name}: {arm.lost} {arm.servos.faults.sentence()} {run.lines[-6:]}'
                ) from error
            slowest = max(slowest, time.monotonic() - began)
        assert run.thread.is_alive() and run.error is None
    setpoints = [np.array(servo.setpoints) for servo in emulated.servos]
    for i, ticks in enumerate(setpoints):
        assert ticks.min() >= arm.calibration.range_min[i]
        assert ticks.max() <= arm.calibration.range_max[i]
    stamps = np.array([state[0] for state in run.states])
    assert np.all(np.diff(stamps) >= 0)
    ages = np.array([at - state[0] for at, state in zip(run.recorded_at, run.states)]) * 1e-9
    assert np.percentile(ages, 50) < 0.05  # fresh, or stamped with its age
    print(
        f'{arm.cycle.count} cycles, {arm.reconnects} reconnects, slowest recovery {slowest:.2f} s'
    )
    assert max(run.steps) <= 2.0 / RATE + 1e-9


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 255), st.floats(0.001, 0.3)), max_size=60)
)
def test_a_lasting_fault_is_latched_until_it_is_cleared(answers):
    faults, now = Faults(), 10.0
    rows = {}
    for joint, error, pause in answers:
        now += pause
        before = list(faults.latched)
        faults.update(joint, error, now)
        for bit in (1 << i for i in range(8)):
            rows[joint, bit] = rows.get((joint, bit), 0) + 1 if error & bit else 0
            lasting = rows[joint, bit] >= RISE and (joint, bit) != (5, OVERLOAD)
            assert bool(faults.latched[joint] & bit) == bool(before[joint] & bit or lasting)
    faults.clear(now + FALL + 1e-6)  # rounding
    assert faults.sentence() == ''


def test_a_fault_that_is_still_reported_is_not_cleared():
    faults = Faults()
    for cycle in range(RISE):
        faults.update(2, 4 | 64, cycle * 0.01)
    assert faults.sentence() == 'overheat, error bits 0x40 of elbow_flex'
    assert faults.clear(0.1) == ['elbow_flex: still overheat, error bits 0x40']
    assert faults.clear(1.0) == [] and faults.sentence() == ''


def test_the_grippers_overload_is_reported_but_not_latched():
    faults = Faults()
    for cycle in range(RISE):
        faults.update(5, OVERLOAD, cycle * 0.01)
    assert faults.grip_overloaded and faults.sentence() == ''
    faults.update(5, 0, 0.1)
    assert faults.grip_overloaded  # a short pause does not end it
    faults.update(5, 0, 1.0)
    assert not faults.grip_overloaded
