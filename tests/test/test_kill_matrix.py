"""What happens to actor, FK service, camera and driver at random moments, and what the arm does.

Their wall clock is set, they are killed (-9) and stopped (SIGSTOP), and at last hung up (SIGHUP).
The emulated servos and the learner's part run in this process and keep their clock. Each node is
killed and stopped once; HILSERL_KILLS sets another number (20: six minutes and more).
docs/architecture.md shows the asserted behaviour as a table.
"""

import os
import random
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy

from hilserl_tests.bench_follower import BenchFollower
from hilserl_tests.cell_process import own_domain
from hilserl_tests.handover import seconds
from hilserl_tests.node_bench import NODES, SCHEMA, NodeBench, publish_policy, wait
from hilserl_tests.stepped_clock import SteppedClock
from hilserl_tests.watcher import Watcher
from so101_description.joints import REST, pack
from so101_description.kinematics import Kinematics
from so101_node.ros_node import not_urgent, urgent

pytestmark = pytest.mark.graph

KILLS = int(os.environ.get('HILSERL_KILLS', '1'))
MAX_SPEED = 2.0  # rad/s, the driver's limit
SOFT_SPEED = 0.3  # rad/s, at which the driver eases to the measured pose
TICK = 0.0016  # rad, of a servo
# s from the death of each node until only that easing moves the arm: the actor's detection (age of
# image or joint state, late answer, tick) and the driver's 0.25 s
HOLDS = {'actor': 0.35, 'kinematics': 0.5, 'camera': 0.65, 'driver': 0.05}
TAKEN = 0.25  # s within which a running driver accepts or refuses a command
SLACK = 0.15  # s, for a busy machine
CLOCK_STEPS = (-3600.0, 3600.0, -3.0, 3.0)  # s; the clock is right again at the end
CLOCK_HOLD = 2.0  # s, the longest time without a command that a step of the clock may cost
IMPORT_TIME = 120.0  # s for the imports of a node on a busy machine
PAUSES = (0.1, 1.5)  # s that a node is stopped


@pytest.fixture(scope='module')
def matrix(tmp_path_factory):
    """Disturb each node; returns bench, messages, rows of the servos' log, holds and times."""
    chance = random.Random(5)
    directory = tmp_path_factory.mktemp('bench')
    clock, holds = SteppedClock(directory), {}
    # With Fast DDS's shared memory, a process may receive nothing after tens of killed ones.
    os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'
    urgent()  # so that the servos answer in time
    with own_domain(), Watcher() as messages, BenchFollower(directory / 'follower', REST) as arm:
        bench = NodeBench(directory, clock.environment)
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node('learner', context=context)
        latched = publish_policy(node)
        for name in NODES:
            bench.start(name)
        acting = 0

        def acts_again():
            bench.require_alive()
            return len(messages.commands) > acting + 3

        def in_episode():
            return (
                acts_again()
                and messages.actor[-1].mode == 'POLICY'
                and messages.actor[-1].step > 5
            )

        try:
            wait(messages, acts_again, 'the arm moves', IMPORT_TIME)
            for step in CLOCK_STEPS:
                wait(messages, in_episode, f'an episode before the step of {step} s')
                holds[step] = set_clock(clock, step, messages)
            clock_is_right = time.monotonic()
            events = [(name, kills) for name in sorted(NODES) for kills in (True, False)] * KILLS
            for name, kills in chance.sample(events, len(events)):
                what = f'before {name} is disturbed'
                wait(messages, acts_again, f'the arm moves again, {what}', IMPORT_TIME)
                if chance.random() < 0.5:
                    wait(messages, in_episode, f'an episode, {what}')
                time.sleep(chance.uniform(0.0, 0.7))
                if kills:
                    least = HOLDS[name] + SLACK
                    # at least 0.05 s, in which the servos log, are looked at
                    bench.kill(name, chance.uniform(least + 0.05, least + 0.25))
                else:
                    bench.stop(name, chance.uniform(*PAUSES))
                acting = len(messages.commands)
            since = time.monotonic()
            wait(
                messages,
                lambda: in_episode() and time.monotonic() > since + 1.0,
                'an episode after the last one',
                IMPORT_TIME,
            )
            ended_at = time.monotonic()
        finally:
            bench.end()
            node.destroy_publisher(latched)
            rclpy.shutdown(context=context)
        rows = np.array(arm.log)
    not_urgent()
    del os.environ['FASTDDS_BUILTIN_TRANSPORTS']
    return SimpleNamespace(
        bench=bench,
        messages=messages,
        rows=rows[rows[:, 0] < ended_at],
        end=rows[-1],
        holds=holds,
        log=bench.log.read_text(encoding='utf-8'),
        clock_is_right=clock_is_right,
    )


def set_clock(clock, step, messages):
    """Set the nodes' clock; return the longest time without a command in the next 4 s."""
    began = time.monotonic()
    clock.step(step)
    time.sleep(4.0)
    arrivals = [t for t in messages.command_times if t > began]
    return np.diff([began, *arrivals, time.monotonic()]).max()


def within(rows, since, until):
    return rows[(rows[:, 0] >= since) & (rows[:, 0] <= until)]


def test_each_node_was_killed_and_stopped_and_the_cell_resumed_by_itself(matrix):
    for disturbed in (matrix.bench.killed, matrix.bench.stopped):
        found = [name for name, _, _ in disturbed]
        assert {name: found.count(name) for name in NODES} == dict.fromkeys(NODES, KILLS)


def test_a_step_of_the_clock_costs_at_most_two_seconds(matrix):
    assert all(hold <= CLOCK_HOLD for hold in matrix.holds.values()), matrix.holds


@pytest.mark.parametrize('node', NODES)
def test_each_node_says_every_step_of_the_clock_in_one_sentence(matrix, node):
    for words in ('back by 3600.0 s', 'forward by 3600.0 s', 'back by 3.0 s', 'forward by 3.0 s'):
        lines = [
            line
            for line in matrix.log.splitlines()
            if f'[{node}]' in line
            and 'clock of this computer was set ' + words in line
            and '[WARN]' in line
        ]
        assert len(lines) == 1, (node, words, lines)


def test_the_episode_of_a_clock_step_ends_as_a_fault_and_no_transition_crosses_it(matrix):
    episodes = {}
    for step in matrix.messages.steps:
        episodes.setdefault(step.episode_id, []).append(step)
    faults = 0
    for steps in episodes.values():
        stamps = np.array([seconds(step.header.stamp) for step in steps])
        assert (np.diff(stamps) > 0.0).all() and (np.diff(stamps) < 3.0).all(), stamps
        faults += steps[-1].last and steps[-1].outcome == 0
    assert faults >= len(CLOCK_STEPS)


def test_a_hung_up_driver_leaves_the_arm_at_rest_without_torque(matrix):
    assert not matrix.end[13:].any()
    assert np.abs(matrix.end[7:12] - REST[:5]).max() < 0.15


def test_no_servo_loses_torque_or_moves_faster_than_the_limit(matrix):
    rows = matrix.rows
    on = np.flatnonzero(rows[:, 13:].all(1))
    assert rows[on[0] :, 13:].all(), 'a servo lost its torque'
    rows = rows[on[0] :]
    # over 50 ms, because setpoints arrive about every 10 ms
    later = np.searchsorted(rows[:, 0], rows[:, 0] + 0.05)
    later = later[later < len(rows)]
    span = (rows[later, 0] - rows[: len(later), 0])[:, None]
    goals = np.abs(rows[later, 1:7] - rows[: len(later), 1:7])
    over = goals - MAX_SPEED * (span + 0.02) - TICK
    assert over.max() <= 0.0, f'{over.max()} rad at {rows[over.max(1).argmax(), 0]}'


@pytest.mark.parametrize('part', NODES)
def test_the_arm_holds_while_a_node_is_dead(matrix, part):
    bench, rows = matrix.bench, matrix.rows
    speed = 0.0 if part == 'driver' else SOFT_SPEED
    for name, at, again in bench.killed:
        if name == part:
            found = within(rows, at + HOLDS[part] + SLACK * (part != 'driver'), again)
            moved = np.abs(found[-1, 1:7] - found[0, 1:7]).max()
            assert moved <= speed * (found[-1, 0] - found[0, 0]) + 2 * TICK, (name, at, moved)


def test_no_setpoint_jumps(matrix):
    """Compares successive setpoints over all disturbances."""
    rows = matrix.rows
    rows = rows[np.flatnonzero(rows[:, 13:].all(1))[0] :]
    steps = np.abs(np.diff(rows[:, 1:7], axis=0)).max(1)
    at = rows[steps.argmax(), 0]
    near = [e for e in (*matrix.bench.killed, *matrix.bench.stopped) if abs(e[2] - at) < 3.0]
    assert steps.max() < np.deg2rad(4), (steps.max(), at, near)


def test_every_recorded_action_was_executed(matrix):
    bench, messages, rows = matrix.bench, matrix.messages, matrix.rows
    kinematics = Kinematics()
    commands = [pack(c.name, c.position) for c in messages.commands]
    times = np.array([seconds(c.header.stamp) for c in messages.commands])
    clock = time.time() - time.monotonic()
    goals_changed = rows[1:, 0][np.abs(np.diff(rows[:, 1:7], axis=0)).max(1) > 0] + clock
    until = rows[-1, 0] + clock - 0.2
    steps = [
        s
        for s in messages.steps
        if not s.last and matrix.clock_is_right + clock < seconds(s.header.stamp) < until
    ]
    assert len(steps) > 5 * KILLS
    off = []
    for step in steps:
        since = seconds(step.header.stamp)
        at = int(np.searchsorted(times, since))
        near = [
            (name, round(at + clock - since, 2))
            for name, at, _ in (*bench.killed, *bench.stopped)
            if abs(at + clock - since) < 3.0
        ]
        assert times[at] - since < 0.1, f'step {step.index} has no command; near: {near}'
        after = np.searchsorted(goals_changed, times[at])
        moved = after < len(goals_changed) and goals_changed[after] - times[at] < TAKEN
        still = np.abs(commands[at] - commands[at - 1]).max() < 2 * TICK
        assert moved or still, f'no servo received step {step.index}; near: {near}'
        if times[at] - times[at - 1] < 0.15:
            again = kinematics.joint_target(
                np.array(step.state[:6], np.float64),
                commands[at - 1],
                step.action,
                SCHEMA.pitch,
                SCHEMA.wrist_roll,
            )
            off.append(np.abs(again.q - commands[at]).max())
    assert np.mean(np.array(off) < 1e-5) > 0.99  # states are float32
