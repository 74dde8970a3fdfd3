"""The whole cell as a user starts it, with the real graph; checks the results of a run."""

from pathlib import Path
import signal
import time

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.checkpoint_names import checkpoint_names
from hilserl_core.policy.inference import Policy
from hilserl_tests.cell_process import CellProcess, own_domain, processes_with
from hilserl_tests.watcher import Watcher
from so101_description.joints import pack
from so101_description.kinematics import Kinematics
from so101_node import names

pytestmark = pytest.mark.graph

RUN_FOR = 50  # s after the start of the cell
START = 300  # s, on a busy computer


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp('runs')


@pytest.fixture(scope='module')
def trained(runs):
    """A run of about a minute: (process, watcher, run directory)."""
    with own_domain() as environment, Watcher() as messages:
        cell = CellProcess(
            ['train', 'run:=whole', 'start:=scratch', f'runs_dir:={runs}', f'run_for:={RUN_FOR}'],
            environment,
        )
        code = cell.wait(START + RUN_FOR + 60)
    assert code == 0, cell.text[-3000:]
    result = cell.lines[-4:]
    assert result[0].startswith('cell: run whole: ') and 'robot minutes' in result[0]
    assert result[1].startswith('cell: the policy alone: success in ')
    newest = checkpoint_names(runs / 'whole' / 'checkpoints')[-1]
    assert result[2].endswith(f'whole/checkpoints/{newest}')
    assert result[3] == f'cell: next: ./cell eval run:=whole runs_dir:={runs}'
    return cell, messages, runs / 'whole'


def acted(messages):
    return [s for s in messages.steps if not s.last]


def test_the_cell_ends_cleanly_and_leaves_no_process(trained):
    cell, _, run = trained
    assert 'Traceback' not in cell.text
    assert processes_with(str(run)) == []


def test_other_users_cannot_enter_a_run(trained):
    assert trained[2].stat().st_mode & 0o777 == 0o700


def test_steps_come_from_policy_and_human(trained):
    sources = {s.source for s in acted(trained[1])}
    step = trained[1].steps[0]
    assert sources == {step.SOURCE_POLICY, step.SOURCE_HUMAN}


def test_steps_of_an_episode_have_no_gap_and_end_with_an_observation(trained):
    episodes = {}
    for step in trained[1].steps:
        episodes.setdefault(step.episode_id, []).append(step)
    finished = [e for e in episodes.values() if e[-1].last and e[-1].outcome]
    assert len(finished) >= 3
    for steps in finished:
        dropped = steps[-1].index + 1 - len(steps)
        assert dropped <= 0.05 * len(steps), f'{dropped} steps dropped of {len(steps)}'
        assert not any(s.last for s in steps[:-1])
        assert steps[-2].terminated != steps[-2].truncated
        assert len(steps[-1].action) == 0


def test_no_zero_action_while_the_arm_moved(trained):
    """The failure that this suite was made against: motion stored as zero actions."""
    steps = acted(trained[1])
    moved = zeros = 0
    for before, a, b in zip(steps, steps[1:], steps[2:]):
        if before.episode_id != b.episode_id or b.index != before.index + 2:
            continue
        if a.source != before.source:
            continue  # after a take-over the arm still moves towards its reference
        if np.abs(np.subtract(b.state[12:15], a.state[12:15])).max() > 0.008:  # tool, m
            moved += 1
            zeros += bool(np.abs(a.action).max() < 1e-3)
    assert moved > 50
    assert zeros <= 0.02 * moved, f'{zeros} of {moved} moving steps have a zero action'


def test_executed_actions_move_the_tool_in_their_direction(trained):
    deltas, actions = [], []
    for a, b in zip(acted(trained[1]), acted(trained[1])[1:]):
        if a.episode_id == b.episode_id and b.index == a.index + 1:
            deltas.append(np.subtract(b.state[12:15], a.state[12:15]))
            actions.append(a.action[:3])
    for axis in range(3):
        correlation = np.corrcoef(np.array(deltas)[:, axis], np.array(actions)[:, axis])[0, 1]
        assert correlation > 0.3, f'axis {"xyz"[axis]}: correlation {correlation:.2f}'


def test_executed_equals_stored(trained):
    """The stored action of policy or human gives the command that was sent."""
    messages, kinematics = trained[1], Kinematics()
    schema = TaskSchema.from_json(messages.task.schema)
    commands = [
        (c.header.stamp.sec + c.header.stamp.nanosec * 1e-9, pack(c.name, c.position))
        for c in messages.commands
    ]
    times = np.array([t for t, _ in commands])
    errors = {1: [], 2: []}
    for step in acted(messages):
        at = int(np.searchsorted(times, step.header.stamp.sec + step.header.stamp.nanosec * 1e-9))
        if step.index == 0 or at == len(commands) or times[at] - times[at - 1] > 0.15:
            continue
        again = kinematics.joint_target(
            step.state[:6], commands[at - 1][1], step.action, schema.pitch, schema.wrist_roll
        )
        errors[step.source].append(np.abs(again.q - commands[at][1]).max())
    for source, found in errors.items():
        assert len(found) > 50
        # The state is float32: where the lead over the measured pose limits, 1e-6 rad remain.
        share = np.mean(np.array(found) < 1e-5)
        assert share > 0.99, f'source {source}: {share:.3f} of {len(found)} steps'


def test_the_actor_uses_weights_of_a_later_version(trained):
    versions = [s.policy_version for s in acted(trained[1]) if s.source == s.SOURCE_POLICY]
    assert versions == sorted(versions)
    assert versions[-1] > versions[0] >= 1
    assert len({status.policy_version for status in trained[1].actor}) >= 3
    assert trained[1].learner[-1].updates >= 20


def test_bags_are_rosbags_with_every_step(trained):
    _, messages, run = trained
    bags = sorted(p.parent for p in (run / 'bags').rglob('metadata.yaml'))
    assert len(bags) >= 3
    recorded = set()
    for bag in bags:
        with AnyReader([bag]) as reader:
            topics = {c.topic: c.msgtype for c in reader.connections}
            assert topics[f'/{names.STEP}'] == 'so101_interfaces/msg/Step'
            assert f'/{names.TASK}' in topics
            for connection, _, data in reader.messages():
                if connection.topic == f'/{names.STEP}':
                    step = reader.deserialize(data, connection.msgtype)
                    recorded.add((step.episode_id, step.index))
    live = {(s.episode_id, s.index) for s in messages.steps}
    assert live - recorded == set()


def test_the_checkpoint_holds_a_policy_that_loads(trained):
    data = (trained[2] / 'checkpoints' / 'latest' / 'policy.safetensors').read_bytes()
    policy = Policy.from_bytes(data, trained[1].steps[0].schema_hash)
    assert policy.updates >= 20


def test_rates_are_kept_while_the_learner_trains(trained):
    messages = trained[1]
    for arm in names.ARMS:
        assert messages.rate(names.JOINT_STATES.format(arm=arm)) > 50
    assert messages.rate(names.IMAGE.format(camera=names.WRIST_CAMERA)) > 20
    periods = [s.period_ms_p50 for s in messages.actor[-50:]]
    assert np.median(periods) == pytest.approx(100.0, abs=2.0)


def test_a_second_start_resumes_and_ctrl_c_ends_it_within_5_s(trained):
    run = trained[2]
    saved = Policy.from_bytes((run / 'checkpoints/latest/policy.safetensors').read_bytes())
    with own_domain() as environment, Watcher() as messages:
        cell = CellProcess(
            ['train', 'run:=whole', 'console:=false', f'runs_dir:={run.parent}'], environment
        )
        line = cell.wait_for('resumed', 30)
        cell.wait_for('READY -> POLICY', 40)
        seconds = cell.interrupt()
    assert f'{saved.updates:,} updates' in line
    assert seconds < 5.5
    assert cell.process.returncode == 0, cell.text[-3000:]
    assert 'Traceback' not in cell.text
    assert messages.versions[0] > trained[1].versions[-1]
    assert processes_with(str(run)) == []


def test_a_second_cell_is_refused_and_a_dead_supervisor_leaves_no_process(runs):
    with own_domain() as environment:
        words = ['train', 'start:=scratch', 'console:=false', f'runs_dir:={runs}']
        first = CellProcess([*words, 'run:=busy'], environment)
        first.wait_for('IDLE -> RESET', 40)
        with own_domain() as elsewhere:
            second = CellProcess([*words, 'run:=busy'], elsewhere)
            assert second.wait(30) == 1
        assert 'run busy is in use by process' in second.text
        third = CellProcess([*words, 'run:=other'], environment)
        third.wait_for('2 drivers publish follower/joint_states', 40)
        third.interrupt()
        assert 'IDLE -> RESET' not in third.text  # two cells on the same topics: nothing moves
        first.process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while processes_with(str(Path(runs) / 'busy')) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert processes_with(str(Path(runs) / 'busy')) == []
