"""Both sides of the link over TCP on this host."""

from dataclasses import replace
import time

from link_support import RUN, Kept, connecting, free_port, serving, step_bytes, wait
import pytest

from hilserl_link.client import LinkRefused

pytestmark = pytest.mark.timing  # a connection is given up after some seconds


def put(client, schema, indices, **fields):
    for index in indices:
        client.spools.of(RUN).append(step_bytes(schema, index, **fields))
    client.wake()


def test_steps_arrive_in_order_and_leave_the_spool_and_policies_come_back(schema, tmp_path):
    port, learner = free_port(), Kept()
    with serving(schema, port, learner=learner) as server:
        with connecting(schema, port, tmp_path) as client:
            put(client, schema, range(50))
            server.set_policy(1, bytes(200_000))
            wait(lambda: len(client.spools.of(RUN)) == 0 and client.received.policies)
            server.set_policy(2, b'policy 2')
            server.set_status('learner', b'status')
            wait(lambda: len(client.received.policies) == 2 and client.received.statuses)
            wait(lambda: client.clocks.best.round_trip < 1.0)
            assert abs(client.clocks.best.wall) < 0.1
            assert client.traffic.delay_p99 < 5.0 and client.traffic.mbit_s(
                'sent', time.monotonic()
            )
    assert learner.steps == [('a', 'e', index) for index in range(50)]
    assert client.received.policies == [(1, bytes(200_000)), (2, b'policy 2')]
    assert client.received.statuses == [('learner', b'status')]


def test_what_was_stored_before_the_first_connection_and_during_a_restart_arrives(
    schema, tmp_path
):
    port, learner = free_port(), Kept()
    with connecting(schema, port, tmp_path) as client:
        put(client, schema, range(5))
        with serving(schema, port, learner=learner):
            wait(lambda: len(client.spools.of(RUN)) == 0)
        put(client, schema, range(5, 9))
        wait(lambda: not client.connected)
        assert 'no connection to the learner' in client.problem
    with serving(schema, port, learner=learner), connecting(schema, port, tmp_path) as client:
        put(client, schema, [9])
        wait(lambda: len(client.spools.of(RUN)) == 0)
    assert [index for _, _, index in learner.steps] == list(range(10))


def test_only_the_newest_policy_is_sent_after_a_pause(schema, tmp_path):
    port = free_port()
    with serving(schema, port) as server:
        for version in range(1, 6):
            server.set_policy(version, b'policy %d' % version)
        with connecting(schema, port, tmp_path) as client:
            wait(lambda: client.received.policies)
    assert client.received.policies == [(5, b'policy 5')]


def test_a_cell_with_another_task_is_refused_with_the_fields_that_differ(schema, tmp_path):
    port, other = free_port(), replace(schema, rate=7.0)
    with serving(schema, port) as server, connecting(other, port, tmp_path) as client:
        wait(lambda: client.errors)
    (error,) = client.errors
    assert isinstance(error, LinkRefused) and 'rate' in str(error) and '7' in str(error)
    assert any('cell a is refused' in line for line in server.log_lines)


def test_several_cells_join_and_leave(schema, tmp_path):
    port, learner = free_port(), Kept()
    with serving(schema, port, learner=learner) as server:
        with connecting(schema, port, tmp_path / 'a') as a:
            with connecting(schema, port, tmp_path / 'b', name='b') as b:
                put(a, schema, range(3), episode='of a')
                put(b, schema, range(3), episode='of b')
                wait(lambda: a.spools.waiting + b.spools.waiting == 0)
                assert set(server.cells) == {'a', 'b'}
            wait(lambda: set(server.cells) == {'a'})
            put(a, schema, [3], episode='of a')
            wait(lambda: a.spools.waiting == 0)
    assert [index for cell, _, index in learner.steps if cell == 'a'] == [0, 1, 2, 3]
    assert [index for cell, _, index in learner.steps if cell == 'b'] == [0, 1, 2]


def test_steps_of_another_run_wait_and_do_not_disturb(schema, tmp_path):
    port, learner = free_port(), Kept()
    with serving(schema, port, learner=learner), connecting(schema, port, tmp_path) as client:
        client.spools.of('older').append(step_bytes(schema, 0, 'f', run_id='older'))
        put(client, schema, [0])
        wait(lambda: len(client.spools.of(RUN)) == 0)
    assert len(learner.steps) == 1
    with serving(schema, port, learner=learner, run_id='older'):
        with connecting(schema, port, tmp_path) as client:
            wait(lambda: client.spools.waiting == 0)
    assert len(learner.steps) == 2


def test_a_step_that_cannot_be_used_is_counted_and_the_next_ones_arrive(schema, tmp_path):
    port, learner = free_port(), Kept()
    with serving(schema, port, learner=learner) as server:
        with connecting(schema, port, tmp_path) as client:
            client.spools.of(RUN).append(b'nonsense')
            client.spools.of(RUN).append(step_bytes(schema, 0, run_id='another'))
            put(client, schema, [1])
            wait(lambda: client.spools.waiting == 0)
            wait(lambda: client.refused == 2)
    assert [index for _, _, index in learner.steps] == [1]
    assert sum('step refused' in line for line in server.log_lines) == 2


def test_a_service_of_the_learner_is_called_after_the_steps_before_it(schema, tmp_path):
    port, learner = free_port(), Kept()
    with serving(schema, port, learner=learner), connecting(schema, port, tmp_path) as client:
        assert not client.call('hilserl/learner/save', []).success
        wait(lambda: client.connected)
        put(client, schema, range(3))
        answer = client.call('hilserl/learner/label', ['e', 0, 'success'])
        assert answer.success and answer.message == 'hilserl/learner/label is done'
        assert len(learner.steps) == 3
    assert learner.calls == [('hilserl/learner/label', ['e', 0, 'success'])]


def test_without_a_learner_no_step_is_taken(schema, tmp_path):
    port = free_port()
    with serving(schema, port) as server:
        server.learner.ready = lambda *_: False
        with connecting(schema, port, tmp_path) as client:
            put(client, schema, range(3))
            wait(lambda: client.connected)
            time.sleep(1.0)
            assert len(client.spools.of(RUN)) == 3 and server.learner.steps == []


def test_steps_of_an_excluded_cell_wait_on_its_disk_until_it_is_taken_again(schema, tmp_path):
    port = free_port()
    with serving(schema, port) as server:
        server.set_excluded(frozenset({'a'}))
        with connecting(schema, port, tmp_path) as client:
            put(client, schema, range(3))
            wait(lambda: client.excluded)
            time.sleep(0.5)
            assert client.connected and client.spools.waiting == 3 and server.learner.steps == []
            server.set_excluded(frozenset())
            wait(lambda: client.spools.waiting == 0)
            assert not client.excluded and len(server.learner.steps) == 3
