"""What is on a port: an arm, which one, servos that are not set up, another program, nothing."""

from contextlib import closing
import json
import shutil
import subprocess
import sys

from driver_support.emulated_arm import EmulatedArm
import pytest

from so101_driver.arm_ports import Port, decide, examine, known_files
from so101_driver.bus import Bus
from so101_driver.servo import EEPROM_END
from so101_driver.servos import IDS
from so101_sim import calibration_path
from so101_sim.servo_bus import ServoBus
from so101_sim.sts3215 import Sts3215

pytestmark = pytest.mark.timing

FILES = {arm: calibration_path(arm) for arm in ('follower', 'leader')}


@pytest.fixture
def no_lerobot(tmp_path, monkeypatch):
    monkeypatch.setenv('HF_LEROBOT_CALIBRATION', str(tmp_path / 'lerobot'))
    return tmp_path / 'lerobot'


def test_an_arm_is_named_by_the_calibration_that_its_servos_keep(tmp_path, no_lerobot):
    with EmulatedArm(tmp_path / 'port', 'leader', moving=False) as arm:
        port = examine(arm.port, known_files(FILES))
    assert (port.arm, port.file, port.servos) == ('leader', FILES['leader'], True)
    assert port.voltage == pytest.approx(7.4)
    assert port.text == f'the leader at 7.4 V: its servos keep {FILES["leader"]}'


def test_the_calibrations_of_lerobot_name_an_arm_too(tmp_path, no_lerobot):
    for folder, arm in (
        ('robots/so101_follower', 'follower'),
        ('teleoperators/so_leader', 'leader'),
    ):
        (no_lerobot / folder).mkdir(parents=True)
        shutil.copy(FILES[arm], no_lerobot / folder / 'mine.json')
    (no_lerobot / 'robots/so101_follower/damaged.json').write_text('no calibration')
    with EmulatedArm(tmp_path / 'port', 'follower', moving=False) as arm:
        port = examine(arm.port, known_files({}))
    assert port.arm == 'follower'
    assert port.file == str(no_lerobot / 'robots/so101_follower/mine.json')


def test_an_arm_with_another_calibration_is_an_arm_of_that_voltage(tmp_path, no_lerobot):
    with EmulatedArm(tmp_path / 'port', configured=False, moving=False) as arm:
        port = examine(arm.port, known_files(FILES))
    assert (port.arm, port.text) == ('', 'an arm at 12.0 V whose servos keep no known calibration')


def test_a_port_of_another_program_is_named_and_not_disturbed(tmp_path):
    with EmulatedArm(tmp_path / 'port', moving=False) as arm:
        code = 'import sys; f = open(sys.argv[1]); print(flush=True); sys.stdin.read()'
        with subprocess.Popen(
            [sys.executable, '-c', code, arm.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            other.stdout.readline()
            asked = []
            execute = arm.bus._execute
            arm.bus._execute = lambda *request: asked.append(request) or execute(*request)
            port = examine(arm.port, [])
            other.stdin.close()
    assert port.text.startswith('is in use by python') and f'(process {other.pid})' in port.text
    assert not port.free and not port.servos and not asked


@pytest.mark.slow
def test_fresh_servos_are_not_set_up(tmp_path):
    bus = ServoBus(tmp_path / 'port', [Sts3215.fresh(1000.0 + 100 * i) for i in range(6)])
    bus.start()
    try:
        port = examine(bus.path, [])
    finally:
        bus.stop()
    assert port.to_set_up and port.servos and port.voltage is None
    assert port.text == ('servos that are not set up: id 1 at 1,000,000 baud (two servos or more)')


@pytest.mark.slow
def test_a_broken_chain_and_an_arm_without_supply_are_told(tmp_path):
    with EmulatedArm(tmp_path / 'port', moving=False) as arm:
        for servo in arm.servos[4:]:
            servo.power_cycle(False)
        port = examine(arm.port, [])
        assert port.text == 'an arm whose servos 5, 6 do not answer; check their plugs'
        assert port.servos and not port.to_set_up
        for servo in arm.servos:
            servo.power_cycle(False)
        port = examine(arm.port, [])
        assert port.text == 'no servo answers; if it is an arm, switch its supply on'
        assert port.free and not port.servos


def losing(arm, count):
    """Make servo 4 lose its first `count` answers to a question for its EEPROM."""
    read, asked = arm.servos[3].read, []

    def lose(address, size):
        asked.append(size == EEPROM_END)
        lost = asked[-1] and sum(asked) <= count
        return b'' if lost else read(address, size)

    arm.servos[3].read = lose


@pytest.mark.slow
def test_an_arm_that_loses_answers_is_asked_again_or_told(tmp_path):
    with EmulatedArm(tmp_path / 'port', moving=False) as arm:
        losing(arm, 4)
        assert examine(arm.port, []).voltage == pytest.approx(12.0)
        losing(arm, 1000)
        port = examine(arm.port, [])
    assert port.text == 'an arm that does not always answer; check plugs and cable'
    assert port.servos and port.voltage is None


def test_looking_writes_nothing_and_frees_the_port(tmp_path):
    with EmulatedArm(tmp_path / 'port', moving=False) as arm:
        before = [bytes(servo.memory[:56]) for servo in arm.servos]  # the rest is telemetry
        examine(arm.port, [])
        assert [bytes(servo.memory[:56]) for servo in arm.servos] == before
        with closing(Bus(arm.port, IDS)):
            pass


def test_a_port_that_is_not_there_is_told():
    port = examine('/dev/nowhere', [])
    assert (port.text, port.free) == ('no such port', False)


def port(name, voltage, arm=''):
    return Port(name, '', voltage, arm, servos=True)


@pytest.mark.parametrize(
    'ports, decided',
    [
        (
            [port('a', 12.0, 'follower'), port('b', 7.4, 'leader')],
            {'follower': 'a', 'leader': 'b'},
        ),
        ([port('a', 7.4, 'leader'), port('b', 7.4)], {'leader': 'a', 'follower': 'b'}),
        ([port('a', 5.1), port('b', 12.1)], {'follower': 'b', 'leader': 'a'}),
        ([port('a', 7.4), port('b', 7.4)], {}),  # nothing tells them apart
        ([port('a', 7.4, 'leader'), port('b', 7.4, 'leader')], {}),  # a copied calibration
        ([port('a', 12.0)], {}),
        ([port('a', 12.0, 'follower'), port('b', 7.4), port('c', 7.4)], {'follower': 'a'}),
        ([Port('a', ''), port('b', 12.0, 'follower')], {'follower': 'b'}),
    ],
)
def test_calibrations_and_supplies_decide_which_arm_is_where(ports, decided):
    assert {arm: found.path for arm, found in decide(ports).items()} == decided


def test_files_that_are_missing_or_damaged_are_left_out(tmp_path, no_lerobot):
    (tmp_path / 'bad.json').write_text(json.dumps({'shoulder_pan': 1}))
    benched = {'follower': str(tmp_path / 'bad.json'), 'leader': str(tmp_path / 'none.json')}
    assert known_files(benched) == []
