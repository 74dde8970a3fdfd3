"""No step is lost, doubled or out of order, whatever is cut or started again."""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
import pytest

from hilserl_link.delivery import AGAIN, Inbox, Outbox
from hilserl_link.spool import Spool
from so101_node.errors import CellError


class Learner:
    """A learner: refuses what it has received, and loses what is not on disk when it dies."""

    def __init__(self):
        self.disk, self.waiting, self.received, self.starts = [], [], {}, 0

    def receive(self, data):
        episode, index = data.decode().split()
        if int(index) > self.received.get(episode, -1):
            self.received[episode] = int(index)
            self.waiting.append(data)

    def flush(self):
        self.disk += self.waiting
        self.waiting = []

    def die(self):
        self.waiting, self.received, self.starts = [], self.on_disk(), self.starts + 1

    def on_disk(self):
        return {data.decode().split()[0]: int(data.decode().split()[1]) for data in self.disk}


class Bench:
    """Both sides, and what is between them."""

    def __init__(self, directory):
        self.path = directory / 'run.sqlite'
        self.path.unlink(missing_ok=True)
        self.learner, self.made, self.now = Learner(), [], 0.0
        self.spool, self.inbox, self.outbox = Spool(self.path, 1 << 20), self.new_inbox(), None
        self.wire = []
        self.tell()

    def new_inbox(self):
        return Inbox(lambda data: self.learner.receive(data))

    def make_step(self):
        number = len(self.made)
        data = f'episode{number // 5} {number % 5}'.encode()
        self.made.append(data)
        assert self.spool.append(data)

    def connect(self):
        self.wire = []
        self.outbox = Outbox(self.spool, self.inbox.begin(self.spool.first))

    def send(self):
        if self.outbox:
            self.wire += self.outbox.next()

    def arrive(self):
        if self.wire and self.outbox:
            step = self.wire.pop(0)
            episode, index = step.data.decode().split()
            self.inbox.take(step.number, step.data, episode, int(index), self.now)

    def acknowledge(self):
        if self.outbox:
            self.spool.forget(self.inbox.recorded)

    def cut(self):
        self.wire, self.outbox = [], None

    def flush(self):
        self.learner.flush()
        self.tell()

    def tell(self):
        self.inbox.note_on_disk(str(self.learner.starts), self.learner.on_disk(), self.now)

    def restart_learner(self):
        self.learner.die()
        self.tell()

    def restart_server(self):
        self.cut()
        self.inbox = self.new_inbox()
        self.tell()

    def restart_arm(self):
        self.cut()
        self.spool.close()
        self.spool = Spool(self.path, 1 << 20)

    def wait(self):
        self.now += AGAIN + 1
        self.inbox.check(self.now)

    def drain(self):
        self.connect()
        for _ in range(len(self.made) + 3):
            self.send()
            while self.wire:
                self.arrive()
            self.flush()
            self.acknowledge()
            self.wait()


ACTS = (
    *(
        'make_step',
        'make_step',
        'send',
        'arrive',
        'arrive',
        'acknowledge',
        'cut',
        'connect',
        'flush',
    ),
    *('restart_learner', 'restart_server', 'restart_arm', 'wait'),
)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=st.lists(st.sampled_from(ACTS), min_size=15, max_size=60))
@example(acts=['make_step', 'connect', 'send', 'arrive', 'restart_learner'])
@example(acts=['make_step', 'connect', 'send', 'arrive', 'flush', 'restart_server'])
@example(acts=['make_step', 'connect', 'send', 'arrive', 'cut', 'restart_arm', 'restart_server'])
def test_whatever_is_cut_or_started_again_each_step_is_recorded_once_and_in_order(tmp_path, acts):
    bench = Bench(tmp_path)
    for act in acts:
        getattr(bench, act)()
    bench.drain()
    assert bench.learner.disk == bench.made
    assert len(bench.spool) == 0
    bench.spool.close()


def test_a_step_stays_in_the_spool_until_the_learner_has_it_on_disk(tmp_path):
    bench = Bench(tmp_path)
    bench.make_step()
    bench.connect()
    bench.send()
    bench.arrive()
    bench.acknowledge()
    assert len(bench.spool) == 1
    bench.flush()
    bench.acknowledge()
    assert len(bench.spool) == 0


def test_after_a_cut_no_step_is_given_to_the_learner_again(tmp_path):
    bench, given_ = Bench(tmp_path), []
    bench.learner.receive = given_.append
    for _ in range(6):
        bench.make_step()
    bench.connect()
    bench.send()
    bench.arrive()
    bench.arrive()
    bench.cut()
    bench.connect()
    bench.send()
    while bench.wire:
        bench.arrive()
    assert given_ == bench.made


def test_steps_on_their_way_are_bounded(tmp_path):
    bench = Bench(tmp_path)
    for _ in range(1000):
        bench.make_step()
    bench.connect()
    for _ in range(1000):
        bench.send()
    assert len(bench.wire) == 400


def test_a_step_that_cannot_be_used_is_counted_and_does_not_hold_up_the_others(tmp_path):
    bench = Bench(tmp_path)
    for _ in range(3):
        bench.make_step()
    bench.connect()
    bench.inbox.refuse(1, 0.0)
    bench.inbox.take(2, bench.made[1], 'episode0', 1, 0.0)
    assert (bench.inbox.recorded, bench.inbox.refused) == (1, 1)
    bench.flush()
    assert bench.inbox.recorded == 2


def test_a_step_out_of_order_is_refused():
    inbox = Inbox(lambda data: None)
    inbox.begin(5)
    with pytest.raises(CellError, match='before a learner is known'):
        inbox.take(5, b'', 'a', 0, 0.0)
    inbox.note_on_disk('learner', {}, 0.0)
    with pytest.raises(CellError, match='step 7 of the spool came, 5 was expected'):
        inbox.take(7, b'', 'a', 0, 0.0)


def test_a_spool_that_was_used_elsewhere_is_refused(tmp_path):
    spool = Spool(tmp_path / 'run.sqlite', 1 << 20)
    with pytest.raises(CellError, match='a copy of the spool was used elsewhere'):
        Outbox(spool, 9)
