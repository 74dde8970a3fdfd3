"""A person's keys, on a real terminal (pty), with the real operator node."""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import threading
import time

from domain_coordinator import domain_id
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Empty
from std_srvs.srv import SetBool, Trigger

from so101_node import names, qos
from so101_node.ros_node import not_urgent, urgent

OPERATOR = [
    sys.executable,
    '-c',
    'from hilserl_actor.entry_points import operator; operator()',
    *('--ros-args', '-p', 'screen:=plain'),
]


def may_be_urgent():
    """Whether this process may have real-time priority."""
    urgent()
    found = os.sched_getscheduler(0) == os.SCHED_FIFO
    not_urgent()
    return found


@pytest.fixture
def domain(monkeypatch):
    with domain_id() as number:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(number))
        monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        yield


@pytest.fixture
def calls_made(domain):
    """The actor's services; yields the list of calls.

    The actor refuses the first end of its stop, as if the driver's status came later.
    """
    calls = []
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('actor', context=context)

    def answer(name):
        def call(request, response):
            calls.append((name, getattr(request, 'data', None)))
            early = name == names.ESTOP_RESET and calls.count((name, None)) == 1
            response.success = name != names.SUCCESS and not early
            response.message = (
                "the driver's stop is still in force"
                if early
                else 'success is not possible in IDLE'
            )
            return response

        return call

    for kind, name in (
        (SetBool, names.PAUSE),
        (SetBool, names.INTERVENE),
        (Trigger, names.ESTOP),
        (Trigger, names.DRIVER_STOP),
        (Trigger, names.DRIVER_RELEASE),
        (Trigger, names.DRIVER_STOP_RESET),
        (Trigger, names.ESTOP_RESET),
        (SetBool, names.SET_TORQUE.format(arm='follower')),
        (Trigger, names.SUCCESS),
        *((Trigger, names.CLEAR_FAULTS.format(arm=arm)) for arm in names.ARMS),
    ):
        node.create_service(kind, name, answer(name))
    for name in (names.DRIVER_STOP, names.DRIVER_RELEASE):
        node.create_subscription(
            Empty, name, lambda _, topic=name: calls.append((topic, 'topic')), qos.STATUS
        )
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    done = threading.Event()

    def spin():
        while not done.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin)
    thread.start()
    yield calls
    done.set()
    thread.join()
    rclpy.shutdown(context=context)


def test_keys_become_service_calls_and_refusals_are_shown(calls_made):
    master, slave = pty.openpty()
    node = subprocess.Popen(
        OPERATOR,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=set_controlling_terminal,
    )
    shown = ''
    try:
        output = read_until(master, 'EMERGENCY STOP', 20)
        assert 'take over through the leader' in output
        if may_be_urgent():  # a stop key must not wait for other programs
            assert os.sched_getscheduler(node.pid) == os.SCHED_FIFO
        for key, words in (
            ('p', 'go on: ok'),
            ('i', 'leader: ok'),
            ('x', 'holds: in force after'),
            ('v', 'limp: in force after'),
            ('c', 'safe: ok'),
            ('t', 'limp: ok'),
            ('e', 'follower: ok'),
            ('s', 'success is not possible in IDLE'),
            ('d', f'no node offers {names.DISCARD} now: wait for the cell'),
        ):
            deadline = time.monotonic() + 15
            while True:  # until discovery has found the service
                os.write(master, key.encode())
                output = read_until(
                    master, ('ok', 'offers', 'possible', 'force', 'does not answer'), 5
                )
                shown += output
                if words in output:
                    break
                assert time.monotonic() < deadline, output
    finally:
        node.terminate()
        assert node.wait(5) == 0
        os.close(master)
        os.close(slave)
    assert {(names.CLEAR_FAULTS.format(arm=arm), None) for arm in names.ARMS} <= set(calls_made)
    assert (names.PAUSE, True) in calls_made
    assert (names.INTERVENE, True) in calls_made
    assert shown.count('still in force') == 0
    for name in (
        names.ESTOP,
        names.DRIVER_STOP,
        names.DRIVER_RELEASE,
        names.DRIVER_STOP_RESET,
        names.ESTOP_RESET,
    ):
        assert (name, None) in calls_made
    for name in (names.DRIVER_STOP, names.DRIVER_RELEASE):  # by topic, too: it needs no answer
        assert (name, 'topic') in calls_made
    assert (names.SET_TORQUE.format(arm='follower'), False) in calls_made


def test_under_ros2_launch_the_keys_are_read_from_the_terminal_of_the_session(calls_made):
    """`ros2 launch` gives its children pipes."""
    master, slave = pty.openpty()
    node = subprocess.Popen(
        OPERATOR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
        pass_fds=[slave],
    )
    before = termios.tcgetattr(slave)
    output = node.stdout.fileno()
    try:
        assert 'EMERGENCY STOP' in read_until(output, 'EMERGENCY STOP', 20)
        deadline = time.monotonic() + 15
        while (names.DRIVER_STOP, None) not in calls_made:
            os.write(master, b'x')
            read_until(output, ('force', 'does not answer', 'offers'), 2)
            assert time.monotonic() < deadline
    finally:
        node.terminate()
        assert node.wait(5) == 0
        after = termios.tcgetattr(slave)
        os.close(master)
        os.close(slave)
    assert after == before


@pytest.mark.parametrize(
    'distribution, command, line',
    [
        (
            '',  # as `./cell operator` does
            [
                sys.executable,
                '-m',
                'so101_node.verb',
                'operator',
                'namespace:=left',
                'screen:=plain',
            ],
            './cell operator namespace:=left',
        ),
        (
            'kilted',
            [*OPERATOR, '-r', '__ns:=/left'],
            'ros2 run hilserl_actor operator --ros-args -r __ns:=/left',
        ),
    ],
)
def test_without_a_terminal_one_line_says_how_to_get_the_keys(domain, distribution, command, line):
    node = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, 'ROS_DISTRO': distribution},
    )
    try:
        output = read_until(node.stdout.fileno(), 'no keys', 20)
        assert f'no keys here, for want of a terminal; in a terminal: {line}\n' in output
    finally:
        node.terminate()
        assert node.wait(5) == 0


def set_controlling_terminal():
    """Make the pty this session's controlling terminal, as a shell's is."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read_until(master, words, timeout) -> str:
    words = (words,) if isinstance(words, str) else words
    text, deadline = '', time.monotonic() + timeout
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            text += os.read(master, 4096).decode(errors='replace')
            if any(word in text for word in words) and text.endswith('\n'):
                return text
    return text
