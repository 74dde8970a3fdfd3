"""How the loop's thread waits for observations, with inputs that come when the test says."""

import threading
from types import SimpleNamespace

from builtin_interfaces.msg import Time
import pytest

from hilserl_actor.ros import loop_thread
from hilserl_actor.ros.loop_thread import LoopThread
from so101_node.errors import CellError
from so101_node.modes import Mode


class Cell:
    """Loop, sensors and driver as far as the thread uses them.

    missing: polls that find no observation, after the first tick. refused: times that the driver
    is asked before it has accepted the last command.
    """

    def __init__(self, missing=0, refused=0):
        self.missing, self.refused = missing, refused
        self.ticks: list[str] = []  # what each tick was given: '' or why there was no observation
        self.schema = SimpleNamespace(rate=50.0)
        self.machine = SimpleNamespace(mode=Mode.POLICY)
        self.episode = object()
        self.sent_at, self.target = 0.0, None

    # the loop
    def prepare(self, *_):
        pass

    def tick(self, *_):
        self.ticks.append('')

    def tick_without_observations(self, reason):
        self.ticks.append(reason)

    # the driver
    def command_accepted(self):
        if self.ticks and self.refused:
            self.refused -= 1
            return False
        return True

    # the sensors
    def request_tool(self):
        pass

    def images(self):
        return []

    def leader(self, _):
        return None

    def reward_signal(self):
        return None

    def poll(self):
        if self.ticks and self.missing:
            self.missing -= 1
            raise CellError('the image is too old')
        return SimpleNamespace(position=None)

    def run(self, ticks, patience):
        ended = threading.Event()

        def after_tick(_):
            if len(self.ticks) == ticks:
                thread.stop()
                ended.set()

        clock = SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=0, to_msg=Time))
        readiness = SimpleNamespace(update=lambda now: None, second_cell='')
        thread = LoopThread(self, readiness, self, self, clock, after_tick, patience)
        threading.Thread(target=thread.run, daemon=True).start()
        assert ended.wait(60.0)
        return self.ticks


@pytest.mark.parametrize('late', [{'missing': 8}, {'refused': 8}, {'missing': 4, 'refused': 4}])
def test_a_patient_loop_waits_for_observation_and_driver_and_loses_no_step(late):
    assert Cell(**late).run(4, patience=10.0) == [''] * 4


def test_the_loop_of_a_real_cell_does_not_wait():
    assert Cell(missing=2).run(4, patience=1.0) == ['', *['the image is too old'] * 2, '']


def test_a_patient_loop_waits_once_for_an_input_that_is_gone(monkeypatch):
    monkeypatch.setattr(loop_thread, 'WAIT', 0.02)
    cell = Cell(missing=10**6)
    assert cell.run(30, patience=10.0) == ['', *['the image is too old'] * 29]
    assert 10**6 - cell.missing <= 30 + 0.2 / loop_thread.AGAIN
