"""`./cell motors`: the servos of a new arm get their ids, baud rate and settings."""

import io
import os
import signal
import sys

from driver_support.emulated_arm import EmulatedArm
import pytest

from so101_description.joints import JOINTS, SERVO_IDS
from so101_driver.bus import Bus
from so101_driver.configure import TWO_BYTES, settings_of
from so101_driver.motors import ORDER, Setup
from so101_driver.servos import IDS
from so101_node import verb
from so101_node.errors import CellError
from so101_sim.servo_bus import ServoBus
from so101_sim.sts3215 import BAUD_RATE, ID, LOCK, Sts3215

pytestmark = [pytest.mark.slow, pytest.mark.timing]


class Table:
    """A bus, six fresh servos on the table, and a person who connects what is asked for.

    plans: {number of the question: servos that are connected then}; else the right one.
    """

    def __init__(self, port, rated=12.0):
        self.servos = {
            joint: Sts3215.fresh(1000.0 + 150 * i, rated) for i, joint in enumerate(JOINTS)
        }
        self.emulated = ServoBus(port, [])
        self.emulated.start()
        self.bus = Bus(self.emulated.path, IDS, answer_timeout=0.003)
        self.lines, self.asked, self.plans = [], [], {}

    def ask(self, text):
        plan = self.plans.get(len(self.asked))
        self.asked.append(text)
        if plan is None:
            named = [joint for joint in JOINTS if f'servo of {joint} ' in text]
            plan = [self.servos[joint] for joint in named or JOINTS]
        self.emulated.servos[:] = plan

    def setup(self, arm='follower', supply=None):
        return Setup(arm, self.bus, self.ask, self.lines.append, supply)

    @property
    def ids(self):
        return [self.servos[joint].id for joint in JOINTS]

    @property
    def written(self):
        return sum(servo.eeprom_writes for servo in self.servos.values())

    def close(self):
        self.bus.close()
        self.emulated.stop()


@pytest.fixture
def table(tmp_path):
    table = Table(tmp_path / 'port')
    yield table
    table.close()


def one(table, joint, **changes):
    """Prepare the servo of a joint."""
    for address, value in changes.items():
        table.servos[joint].memory[{'id': ID, 'rate': BAUD_RATE}[address]] = value
    return table.servos[joint]


def finish(table, joints):
    """Make the servos of these joints finished ones."""
    for joint in joints:
        memory = one(table, joint, id=SERVO_IDS[joint]).memory
        for address, value in settings_of(joint).items():
            size = 2 if address in TWO_BYTES else 1
            memory[address : address + size] = value.to_bytes(size, 'little')


def test_six_fresh_servos_become_an_arm(table):
    one(table, 'wrist_flex', rate=3)
    one(table, 'shoulder_lift', id=77, rate=7)
    table.setup().run()
    assert table.ids == [SERVO_IDS[joint] for joint in JOINTS]
    for joint, servo in table.servos.items():
        assert servo.baud_rate == 1_000_000
        assert servo.memory[LOCK] == 1 and not servo.torque_on
        for address, value in settings_of(joint).items():
            assert servo.memory[address] == value & 0xFF, (joint, address)
    assert [line.split(':')[0] for line in table.lines] == [*ORDER, *JOINTS]
    assert 'firmware 3.10, model 777, measures 12.0 V, made for at most 14.0 V' in table.lines[0]


def test_a_setup_that_was_stopped_goes_on_where_it_stopped(table):
    finish(table, JOINTS[2:])
    table.emulated.servos[:] = [table.servos[joint] for joint in JOINTS[3:]]
    table.setup().run()
    assert table.lines[:3] == [
        f'{joint} (id {SERVO_IDS[joint]}) is done already' for joint in ORDER[:3]
    ]
    assert table.lines[3].startswith('elbow_flex: done already (')  # it was not connected
    assert [text.split(' (')[0] for text in table.asked[:2]] == [
        'Connect only the servo of elbow_flex',
        'Connect only the servo of shoulder_lift',
    ]
    assert table.ids == list(IDS)
    assert not any(table.servos[joint].eeprom_writes for joint in JOINTS[2:])  # it wears out


@pytest.mark.parametrize('skew', [0, 1])
def test_two_servos_at_once_are_refused_and_nothing_is_written(table, skew):
    table.emulated.skew = skew
    table.plans = {0: list(table.servos.values())[:2]}
    table.setup().set_up('gripper')
    assert 'more than one servo answers: id 1 at 1,000,000 baud (two servos' in table.lines[0]
    assert table.lines[1].startswith(
        'gripper: done: id 6 (was 1), 1,000,000 baud, settings written'
    )
    assert table.ids == [1, 1, 1, 1, 1, 6]
    assert not any(table.servos[joint].eeprom_writes for joint in JOINTS[:5])


def test_servos_with_different_ids_or_rates_at_once_are_refused(table):
    both = [table.servos['gripper'], one(table, 'wrist_roll', id=3, rate=2)]
    table.plans = {0: both, 1: []}
    table.setup().set_up('gripper')
    assert 'id 1 at 1,000,000 baud, id 3 at 250,000 baud; nothing was written' in table.lines[0]
    assert table.lines[1].startswith('no servo answers at any baud rate')
    assert table.ids == [1, 1, 1, 1, 3, 6]


def test_the_servo_of_another_joint_is_not_taken_unless_it_is_wanted(table):
    table.setup().set_up('gripper')
    table.plans = {1: [table.servos['gripper']]}
    table.setup().set_up('wrist_roll')
    assert 'this servo has id 6 already, that of gripper' in table.lines[1]
    assert table.ids[-2:] == [5, 6]
    table.plans = {3: [table.servos['gripper']]}
    table.setup().set_up('wrist_flex', rename=True)
    assert table.servos['gripper'].id == 4


def test_the_finished_servo_of_shoulder_pan_is_no_fresh_one(table):
    table.setup().set_up('shoulder_pan')
    table.plans = {1: [table.servos['shoulder_pan']]}
    table.setup().set_up('gripper')
    assert 'this servo has id 1 already, that of shoulder_pan' in table.lines[1]


@pytest.mark.parametrize('rated, supply', [(7.4, 12.0), (12.0, 19.0)])
def test_a_supply_that_the_servo_is_not_made_for_is_refused(tmp_path, rated, supply):
    table = Table(tmp_path / 'port', rated)
    with pytest.raises(CellError, match=f'gripper: the supply has {supply:.1f} V, and this servo'):
        table.setup(supply=supply).set_up('gripper')
    assert table.written == 0 and set(table.ids) == {1}
    table.close()


def test_the_measured_voltage_is_checked_too(table):
    table.servos['gripper'].sag = -4.0
    with pytest.raises(CellError, match=r'it measures 16.0 V, and this servo is for 4.0 to 14.0'):
        table.setup().set_up('gripper')
    table.servos['gripper'].sag = 4.6
    table.setup(supply=12.0).set_up('gripper')
    assert table.lines[0].startswith('gripper: the servo measures 7.4 V, not 12.0 V')


def test_an_answer_that_is_lost_at_the_new_id_or_rate_does_no_harm(table):
    one(table, 'gripper', rate=1)
    servo = table.servos['gripper']
    write = servo.write

    def deaf(address, data):
        write(address, data)
        if address in (ID, BAUD_RATE):
            table.emulated.faults.inject('drop', count=1)

    servo.write = deaf
    table.setup().set_up('gripper')
    assert (servo.id, servo.baud_rate, servo.memory[LOCK]) == (6, 1_000_000, 1)


def test_a_servo_that_falls_silent_is_told_where_it_is_and_finished_later(table):
    servo = table.servos['gripper']
    write = servo.write

    def dies(address, data):
        write(address, data)
        servo.powered = address != ID

    servo.write = dies
    table.plans = {1: [servo]}
    ask = table.ask

    def asking(text):
        ask(text)
        if len(table.asked) == 2:
            servo.write = write
            servo.power_cycle(True)

    table.ask = asking
    table.setup().set_up('gripper')
    assert 'gripper: not finished' in table.lines[0] and 'nothing answers' in table.lines[0]
    assert servo.id == 6 and servo.memory[LOCK] == 1


def test_ctrl_c_waits_until_the_servo_is_written(table):
    servo = table.servos['gripper']
    write = servo.write

    def interrupt(address, data):
        write(address, data)
        if address == ID:
            os.kill(os.getpid(), signal.SIGINT)

    servo.write = interrupt
    with pytest.raises(KeyboardInterrupt):
        table.setup().set_up('gripper')
    assert servo.id == 6 and servo.memory[LOCK] == 1


def test_the_chain_is_checked_at_the_end(table):
    finish(table, JOINTS)
    table.emulated.servos[:] = table.servos.values()
    table.plans = {0: [table.servos[joint] for joint in JOINTS[:5]]}
    table.setup().run()
    assert any('gripper: servo 6 does not answer; on this bus' in line for line in table.lines)
    assert table.lines[-1].startswith('gripper: id 6, firmware')


def test_the_verb_sets_one_servo_up_and_tells_a_stop(tmp_path, monkeypatch, capsys):
    with EmulatedArm(tmp_path / 'port', configured=False) as arm:
        arm.bus.servos[:] = arm.servos[5:]
        monkeypatch.setattr(sys, 'stdin', io.StringIO('\n'))
        words = ['motors', 'leader', '--port', arm.port]
        assert verb.run([*words, '--joint', 'gripper']) == verb.OK
        assert 'gripper (gear 1:147)' in (out := capsys.readouterr().out)
        assert 'gripper: done: id 6, 1,000,000 baud, settings written: registers 16, ' in out
        assert verb.run([*words, '--joint', 'gripper']) == verb.FAILED
        assert 'the set-up ended without Enter' in capsys.readouterr().err

        def stop(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr('builtins.input', stop)
        assert verb.run(words) == verb.INTERRUPTED
        assert 'no servo is half written; done: gripper; run' in capsys.readouterr().err
