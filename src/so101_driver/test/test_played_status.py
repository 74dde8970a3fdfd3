"""A bag of this very start, played beside the live cell, does not switch the leader's torque."""

from contextlib import contextmanager
import signal
import time

from driver_support.driver_process import Bench, start
from driver_support.emulated_arm import EmulatedArm
import pytest
import rclpy

from so101_driver.commander import Commander
from so101_interfaces.msg import ActorStatus
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.publisher import Publisher
from so101_sim import calibration_path

RUN = 'run-1'
LIVE, PLAYED = (b'\x01\x0f' + bytes([n]) * 10 + b'abcd' for n in (1, 2))


def test_a_status_of_another_process_than_the_commands_is_refused():
    commander = Commander(b'')
    holder = Publisher('/actor', LIVE)
    commander.take([holder], '/actor', RUN, 0.0)
    assert commander.note_status(RUN, 0.1, LIVE)  # no command yet: the name decides
    commander.require(holder, 0.1)
    assert commander.note_status(RUN, 0.2, LIVE[:12] + b'wxyz')  # another publisher of the process
    assert commander.note_status(RUN, 0.2)  # a release that does not tell who sent it
    assert not commander.note_status('run-2', 0.2, PLAYED)
    with pytest.raises(CellError, match='another process sent it; do not play a bag'):
        commander.note_status(RUN, 1.9, PLAYED)
    assert 'lost the command' in commander.check(2.3)  # a player does not keep it for a dead actor


@contextmanager
def player():
    """A publisher of the status in a process of its own, as far as DDS can tell."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('rosbag2_player', context=context)
    yield node.create_publisher(ActorStatus, names.ACTOR_STATUS, qos.STATUS)
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.graph
@pytest.mark.slow
def test_a_played_status_of_this_start_switches_no_torque_and_is_counted(ros, tmp_path):
    bench, recorded = Bench('leader'), []
    bench.node.create_subscription(
        ActorStatus, names.ACTOR_STATUS, recorded.append, qos.STATUS, raw=True
    )
    live = bench.node.create_publisher(ActorStatus, names.ACTOR_STATUS, qos.STATUS)
    with EmulatedArm(tmp_path / 'port', 'leader') as leader, player() as played:
        process = start(
            leader_port=leader.port,
            answer_timeout=0.01,
            leader_calibration=calibration_path('leader'),
        )

        def torque():
            return [servo.torque_on for servo in leader.servos]

        def publish(mode):
            live.publish(bench.status(mode, RUN))
            bench.command([0.0] * 6)
            return torque()

        bench.spin_until(lambda: bench.states, 60.0)
        bench.spin_until(lambda: bench.take_command(run_id=RUN).success)
        bench.spin_until(lambda: all(publish('POLICY')) and len(recorded) > 5)
        of_policy = list(recorded)
        bench.spin_until(lambda: not any(publish('HUMAN')))
        switched = [len(servo.switched) for servo in leader.servos]

        end = time.monotonic() + 2.0
        count = 0
        while time.monotonic() < end:
            publish('HUMAN')
            played.publish(of_policy[count % len(of_policy)])  # the recorded bytes
            forged = bench.status('POLICY', RUN)  # a fresh stamp: only its process tells
            played.publish(forged)
            bench.spin_for(0.02)
            count += 1
        assert played.get_subscription_count() >= 1
        assert not any(torque())
        assert [len(servo.switched) for servo in leader.servos] == switched
        bench.spin_until(lambda: all(publish('POLICY')))  # the live actor is still obeyed
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    bench.destroy()
    assert process.returncode == 0
    assert 'message of hilserl/actor_status refused' in out + err
    assert 'do not play a bag on the topics of a running cell' in out + err
    assert '/rosbag2_player' in out + err
