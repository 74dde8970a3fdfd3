"""Import: recordings of every kind become the executed steps, or are refused by one sentence."""

from dataclasses import replace
import json
from pathlib import Path
import shutil
import sqlite3

from ament_index_python.packages import get_package_share_directory
from core_support import record
from learner_support import raw_cell
from learner_support.running_learner import episode
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
import yaml

from hilserl_core.bags.cdr import STEP_TYPE, TASK_TYPE, step_to_cdr, task_to_cdr
from hilserl_core.bags.episode_bag import Bag, EpisodeBag, bags_by_time
from hilserl_core.bags.labels import content_hash, read_labels, sidecar
from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.observation import crop_resize
from hilserl_core.contract.steps import Outcome, Source
from hilserl_core.contract.tasks import make_task
from hilserl_learner.importing import recording as reader_module
from hilserl_learner.importing.importer import import_bag
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training.fill_replay import load_demonstrations
from so101_description.kinematics import Kinematics
from so101_description.model import model_hash
from so101_node.errors import CellError
from so101_node.verb import run

ZSTD = CompressionFormat.ZSTD


@pytest.fixture(scope='module')
def task():
    return make_task('grasp_lift', model_hash())


@pytest.fixture(scope='module')
def recording(task):
    return raw_cell.make(task, Kinematics())


@pytest.fixture(scope='module')
def raw(recording, tmp_path_factory):
    directory = tmp_path_factory.mktemp('raw') / 'bag'
    raw_cell.write(directory, recording)
    return directory


def episodes(out):
    return [list(Bag(path).steps()) for path in bags_by_time(out)]


def actions(steps):
    return np.array([step.action for step in steps if not step.last])


def import_of(recording, task, tmp_path, unlabelled='refuse', **options):
    raw_cell.write(tmp_path / 'bag', recording, **options)
    report = import_bag(tmp_path / 'bag', task, tmp_path / 'out', unlabelled)
    return report, episodes(tmp_path / 'out')


@pytest.mark.slow
def test_imported_actions_are_the_executed_ones(recording, raw, task, tmp_path):
    before = content_hash(raw)
    report = import_bag(raw, task, tmp_path)
    found = episodes(tmp_path)
    assert [steps[0].episode_id for steps in found] == list(recording.executed)
    for steps in found:
        executed = recording.executed[steps[0].episode_id]
        assert np.abs(actions(steps) - executed).max() < 1e-4
        assert [step.index for step in steps] == list(range(len(executed) + 1))
        assert all(step.source == Source.HUMAN for step in steps[:-1])
        assert steps[-1].last and steps[-1].outcome == Outcome.SUCCESS
        assert steps[-2].terminated and steps[-2].reward == 1.0
        assert not any(step.terminated or step.reward for step in steps[:-2])
        previous = np.array([step.state[-4:] for step in steps])
        assert not previous[0].any() and np.array_equal(previous[1:], actions(steps))
    assert report.steps == 40 and report.gaps == 0
    assert content_hash(raw) == before


OTHER_ACTIONS = {
    'wrist': {'droll': 0.1, 'dpitch': 0.08},
    'plane': {'dz': 0, 'gripper': 0},
    'discrete': {'discrete_gripper': True},
    'joints': {
        'dx': 0,
        'dy': 0,
        'dz': 0,
        'joints': {'shoulder_pan': 0.2, 'shoulder_lift': 0.1, 'wrist_flex': 0.2},
    },
}


@pytest.fixture(params=OTHER_ACTIONS)
def other_task(request, tmp_path):
    path = tmp_path / 'other.yaml'
    keys = {'version': 1, 'name': 'other', 'instruction': 'move', 'cameras': {'wrist': {}}}
    path.write_text(json.dumps(keys | {'action': OTHER_ACTIONS[request.param]}))
    return make_task(str(path), model_hash())


@pytest.mark.parametrize('drop', [(), ('commands',)], ids=['commands', 'leader'])
def test_actions_of_every_kind_are_imported_as_they_were_executed(other_task, tmp_path, drop):
    recording = raw_cell.make(other_task, kinematics_of(other_task), episodes=1)
    _, (steps,) = import_of(recording, other_task, tmp_path, drop=drop)
    (executed,) = recording.executed.values()
    assert np.abs(executed).max(0).min() > 0.05, 'an axis was not used'
    assert np.abs(actions(steps) - executed).max() < (1e-3 if drop == () else 0.1)
    if other_task.discrete_gripper:
        assert set(actions(steps)[:, 3].tolist()) <= {-1.0, 0.0, 1.0}
    size = len(other_task.action_names)
    previous = np.array([step.state[-size:] for step in steps])
    assert not previous[0].any() and np.array_equal(previous[1:], actions(steps))


@pytest.mark.parametrize(
    'drop, age',
    [
        ((), lambda before: before if before >= 5e6 else np.inf),  # the loop had received them
        (('status', 'commands'), abs),
    ],
)  # without a loop: the nearest
def test_images_are_the_matching_ones_and_cropped_as_live(recording, task, tmp_path, drop, age):
    _, found = import_of(recording, task, tmp_path, drop=drop)
    frames = dict(recording.streams['images'])
    for step in found[0]:
        best = min(age(step.stamp - stamp) for stamp in frames)
        assert age(step.stamp - step.image_stamps[0]) == best
        expected = crop_resize(frames[step.image_stamps[0]], task.cameras[0])
        assert np.array_equal(step.images[0], expected)


@pytest.fixture
def two_cameras(tmp_path):
    """Return a task whose cameras have images of different sizes."""
    path = tmp_path / 'other.yaml'
    front = {'height': 24, 'width': 48, 'image': [96, 64]}
    keys = {'version': 1, 'name': 'other', 'instruction': 'x'}
    path.write_text(json.dumps(keys | {'cameras': {'wrist': {}, 'front': front}}))
    return path


def with_front(recording, late, period=1):
    """Return the recording with a second camera, whose images are `late` (ns)."""
    front = [
        (stamp + late, np.full((64, 96, 3), number % 200, np.uint8))
        for number, (stamp, _) in enumerate(recording.streams['images'])
        if number % period == 0
    ]
    return replace(recording, streams=recording.streams | {'front': front})


def test_the_images_of_several_cameras_are_those_nearest_in_time(recording, two_cameras, tmp_path):
    task, late = make_task(str(two_cameras), model_hash()), 12_000_000
    _, found = import_of(with_front(recording, late), task, tmp_path)
    frames = dict(with_front(recording, late).streams['front'])
    for step in found[0]:
        wrist, front = step.image_stamps
        assert abs(front - wrist) == late and step.stamp - front >= 5_000_000
        assert np.array_equal(step.images[1], crop_resize(frames[front], task.cameras[1]))
    assert len(found[0]) == len(recording.executed['episode-0']) + 1


def test_steps_with_images_too_far_apart_are_left_out(recording, two_cameras, tmp_path):
    task = make_task(str(two_cameras), model_hash())
    slow = with_front(recording, 0, period=7)  # an image in 0.21 s
    _, found = import_of(slow, task, tmp_path)
    skews = [abs(np.diff(step.image_stamps)[0]) for step in found[0]]
    assert 2 < len(skews) < len(recording.executed['episode-0']) and max(skews) <= 100_000_000


def test_a_camera_of_another_size_than_the_first_is_named(
    recording, two_cameras, tmp_path, capsys
):
    text = two_cameras.read_text().replace(', "image": [96, 64]', '')
    two_cameras.write_text(text)
    raw_cell.write(tmp_path / 'bag', with_front(recording, 0))
    words = ['import', str(tmp_path / 'bag'), '--task', str(two_cameras), '--out']
    assert run([*words, str(tmp_path / 'out')]) == 1
    error = capsys.readouterr().err
    assert 'front_camera has images of 96x64 pixels, the task expects 160x120' in error
    assert 'image: [96, 64] to cameras.front' in error


@pytest.mark.slow
@pytest.mark.parametrize(
    'options',
    [
        {'plugin': StoragePlugin.SQLITE3},
        {'plugin': StoragePlugin.SQLITE3, 'compression': (CompressionMode.FILE, ZSTD)},
        {'plugin': StoragePlugin.SQLITE3, 'compression': (CompressionMode.MESSAGE, ZSTD)},
        {'compression': (CompressionMode.STORAGE, ZSTD)},
        {'compressed': True},
        {'namespace': '/left'},
    ],
    ids=['sqlite', 'sqlite-file-zstd', 'sqlite-message-zstd', 'mcap-zstd', 'png', 'namespace'],
)
def test_every_kind_of_bag_gives_the_same_steps(recording, task, tmp_path, options):
    _, found = import_of(recording, task, tmp_path, **options)
    for steps in found:
        assert np.abs(actions(steps) - recording.executed[steps[0].episode_id]).max() < 1e-4
        assert steps[3].images[0][2, 2].tolist() == [200, 100, 0]


@pytest.mark.slow
def test_bags_from_humble_without_definitions_are_read(recording, task, tmp_path):
    raw_cell.write(tmp_path / 'bag', recording, plugin=StoragePlugin.SQLITE3)
    with sqlite3.connect(next((tmp_path / 'bag').glob('*.db3'))) as database:
        database.execute('delete from message_definitions')
        database.execute('drop table message_definitions')
        database.execute('update schema set schema_version = 3')
    database.close()
    file = tmp_path / 'bag' / 'metadata.yaml'
    data = yaml.safe_load(file.read_text())
    information = data['rosbag2_bagfile_information']
    information['version'] = 5
    for topic in information['topics_with_message_count']:
        topic['topic_metadata'].pop('type_description_hash')
        topic['topic_metadata']['offered_qos_profiles'] = ''
    file.write_text(yaml.safe_dump(data))
    import_bag(tmp_path / 'bag', task, tmp_path / 'out')
    assert len(episodes(tmp_path / 'out')) == 2


def test_split_bags_are_one(recording, task, tmp_path):
    middle = raw_cell.START + 35 * raw_cell.TICK
    for name, keep in (('a', lambda s: s < middle), ('b', lambda s: s >= middle)):
        part = raw_cell.Recording(
            {
                topic: [item for item in stream if keep(item[0])]
                for topic, stream in recording.streams.items()
            },
            {},
        )
        raw_cell.write(tmp_path / name, part)
    shutil.move(tmp_path / 'b' / 'b.mcap', tmp_path / 'a')
    data, other = (
        yaml.safe_load((tmp_path / n / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
        for n in 'ab'
    )
    data['relative_file_paths'] += other['relative_file_paths']
    data['files'] += other['files']
    data['message_count'] += other['message_count']
    data['duration']['nanoseconds'] += other['duration']['nanoseconds']
    counts = {
        t['topic_metadata']['name']: t['message_count'] for t in other['topics_with_message_count']
    }
    for topic in data['topics_with_message_count']:
        topic['message_count'] += counts[topic['topic_metadata']['name']]
    (tmp_path / 'a' / 'metadata.yaml').write_text(
        yaml.safe_dump({'rosbag2_bagfile_information': data})
    )
    shutil.rmtree(tmp_path / 'b')
    import_bag(tmp_path / 'a', task, tmp_path / 'out')
    for steps in episodes(tmp_path / 'out'):
        assert np.abs(actions(steps) - recording.executed[steps[0].episode_id]).max() < 1e-4


def test_without_commands_the_leader_gives_the_actions(recording, task, tmp_path):
    report, found = import_of(recording, task, tmp_path, drop=('commands',))
    assert dict(report.actions_from) == {'the leader, as in live teleoperation': 2}
    for steps in found:
        executed = recording.executed[steps[0].episode_id]
        error = np.abs(actions(steps) - executed)
        assert np.median(error) < 0.05 * np.median(np.abs(executed))


def test_actions_from_the_follower_alone_lack_the_grip_and_the_report_says_so(
    recording, task, tmp_path
):
    report, found = import_of(recording, task, tmp_path, drop=('commands', 'leader'))
    assert 'squeezing is lost' in next(iter(report.gripper_from))
    for steps in found:
        executed = recording.executed[steps[0].episode_id]
        for axis in range(3):
            moved = actions(steps)[:, axis]
            assert np.corrcoef(moved, executed[:, axis])[0, 1] > 0.8
        # the object stops the joint, so the human's further squeezing is not visible
        assert np.abs(actions(steps)[-5:, 3]).max() < 0.3 < np.abs(executed[-5:, 3]).min()


def test_without_marks_motion_separates_episodes(recording, task, tmp_path):
    report, found = import_of(recording, task, tmp_path, drop=('status', 'commands'))
    assert report.source == 'motion' and len(found) == 2
    for steps, executed in zip(found, recording.executed.values()):
        assert abs(len(steps) - len(executed)) < 15
        assert steps[-1].outcome == Outcome.SUCCESS


@pytest.mark.slow
def test_unlabelled_episodes_need_a_choice(recording, task, tmp_path):
    raw_cell.write(tmp_path / 'bag', recording, drop=('rewards',))
    with pytest.raises(CellError, match='has no outcome, and that is not failure'):
        import_bag(tmp_path / 'bag', task, tmp_path / 'out')
    assert list((tmp_path / 'out').iterdir()) == []
    with pytest.raises(CellError, match='has no episode to learn from.* left out'):
        import_bag(tmp_path / 'bag', task, tmp_path / 'out', 'exclude')
    report = import_bag(tmp_path / 'bag', task, tmp_path / 'out', 'include')
    assert report.data()['labels'] == {'unlabelled': 2}
    assert all(step.reward is None for steps in episodes(tmp_path / 'out') for step in steps)


@pytest.mark.slow
def test_a_label_at_a_time_applies_to_the_running_episode_and_ends_it(recording, task, tmp_path):
    raw_cell.write(tmp_path / 'bag', recording, drop=('rewards',))
    before = content_hash(tmp_path / 'bag')
    first = 2.5 + 1.2
    assert run(['label', str(tmp_path / 'bag'), 'success', '--at', str(first)]) == 0
    assert run(['label', str(tmp_path / 'bag'), 'failure']) == 0
    assert len(read_labels(tmp_path / 'bag')) == 2 and content_hash(tmp_path / 'bag') == before
    import_bag(tmp_path / 'bag', task, tmp_path / 'out')
    one, two = episodes(tmp_path / 'out')
    assert one[-1].outcome == Outcome.SUCCESS and one[-2].reward == 1.0 and one[-2].terminated
    assert 10 <= len(one) <= 15
    assert two[-1].outcome == Outcome.FAILURE and len(two) == 21
    assert two[-2].terminated and two[-2].reward == 0.0


@pytest.mark.slow
def test_a_folder_with_a_discarded_bag_is_imported_without_it(recording, task, tmp_path, capsys):
    for name in ('good', 'bad'):
        raw_cell.write(tmp_path / 'bags' / name, recording)
    assert run(['label', str(tmp_path / 'bags' / 'bad'), 'discarded']) == 0
    words = ['import', str(tmp_path / 'bags'), '--task', task.name, '--out', str(tmp_path / 'out')]
    assert run(words) == 0
    printed = capsys.readouterr()
    assert 'cell import: left out: bag' in printed.out and 'was discarded' in printed.out
    assert printed.err == '' and len(episodes(tmp_path / 'out')) == 2


def test_recorded_steps_that_were_broken_off_are_not_imported(task, tmp_path, capsys):
    for name, outcome, count in (('whole', Outcome.SUCCESS, 8), ('broken', Outcome.NONE, 1)):
        bag = EpisodeBag(tmp_path / 'bags' / name, task, 1)
        for step in episode(task, name, count, outcome):
            bag.write(step)
        bag.close()
    words = ['import', str(tmp_path / 'bags'), '--task', task.name, '--out', str(tmp_path / 'out')]
    assert run(words) == 0
    assert 'episode broken was broken off after 1 steps' in capsys.readouterr().out
    assert len(episodes(tmp_path / 'out')) == 1


@pytest.mark.slow
def test_labels_of_other_data_are_refused(recording, task, tmp_path, capsys):
    raw_cell.write(tmp_path / 'bag', recording)
    assert run(['label', str(tmp_path / 'bag'), 'success', '--at', '1000']) == 1
    assert 'is not within bag' in capsys.readouterr().err
    run(['label', str(tmp_path / 'bag'), 'success'])
    file = sidecar(tmp_path / 'bag')
    data = json.loads(file.read_text())
    file.write_text(json.dumps(data | {'sha256': '0'}))
    with pytest.raises(CellError, match='for other data'):
        import_bag(tmp_path / 'bag', task, tmp_path / 'out')
    file.write_text('{')
    with pytest.raises(CellError, match='is damaged'):
        import_bag(tmp_path / 'bag', task, tmp_path / 'out')


def test_out_of_order_and_double_messages_change_nothing(recording, task, tmp_path):
    twice = raw_cell.Recording(
        {name: stream + stream[::50] for name, stream in recording.streams.items()},
        recording.executed,
    )
    report, found = import_of(twice, task, tmp_path, jitter=30_000_000)
    assert any('out of order' in note for note in report.notes)
    for steps in found:
        assert np.abs(actions(steps) - recording.executed[steps[0].episode_id]).max() < 1e-4


def test_missing_images_make_gaps(recording, task, tmp_path):
    hole = range(raw_cell.START + 30 * raw_cell.TICK, raw_cell.START + 33 * raw_cell.TICK)
    streams = recording.streams | {
        'images': [item for item in recording.streams['images'] if item[0] not in hole]
    }
    report, found = import_of(raw_cell.Recording(streams, recording.executed), task, tmp_path)
    assert report.dropped == 3 and report.gaps == 1
    indices = [step.index for step in found[0]]
    missing = sorted(set(range(21)) - set(indices))
    executed = recording.executed['episode-0']
    assert len(missing) == 3
    assert np.abs(actions(found[0]) - np.delete(executed, missing, 0)).max() < 1e-4


@pytest.mark.parametrize(
    'convert, words',
    [
        (np.rad2deg, 'angles are in rad|degrees'),
        (lambda q: q + np.array([0, 2.5, 0, 0, 0, 0]), 'are these degrees'),
        (lambda q: q * np.nan, 'not an angle'),
    ],
)
def test_another_unit_is_refused(recording, task, tmp_path, convert, words):
    with pytest.raises(CellError, match=words):
        import_of(recording, task, tmp_path, convert=convert)


def test_missing_topics_are_named(recording, task, tmp_path):
    with pytest.raises(CellError, match='lacks follower/joint_states and images of wrist_camera'):
        import_of(recording, task, tmp_path, drop=('follower', 'images'))
    raw_cell.write(tmp_path / 'full', recording)
    with pytest.raises(CellError, match=r'the task expects \(480, 640, 3\)'):
        import_bag(
            tmp_path / 'full', make_task('grasp_lift', model_hash(), 640, 480), tmp_path / 'out'
        )


@pytest.mark.parametrize('drop', [('status', 'commands'), ()])
def test_a_follower_that_was_never_heard_is_no_episode(recording, task, tmp_path, drop):
    with pytest.raises(CellError, match='has no episode to learn from'):
        import_of(recording, task, tmp_path, drop=drop, silent=('follower',))


@pytest.mark.slow
def test_damaged_recordings_import_or_raise_one_sentence(recording, task, tmp_path):
    raw_cell.write(tmp_path / 'bag', recording)
    file = tmp_path / 'bag' / 'bag.mcap'
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(25):
        place = int(rng.integers(0, len(whole)))
        if number % 2:
            file.write_bytes(whole[:place])
        else:
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            import_bag(tmp_path / 'bag', task, tmp_path / 'out')
            shutil.rmtree(tmp_path / 'out')
        except CellError as error:
            assert 'bag' in str(error) or 'wrist_camera' in str(error)


# recorded steps


def zeroed(task, recording, tmp_path, change, states=lambda state: state):
    """A bag of the recording's steps with other actions (and states)."""
    raw_cell.write(tmp_path / 'raw', recording)
    import_bag(tmp_path / 'raw', task, tmp_path / 'good')
    for steps in episodes(tmp_path / 'good'):
        bag = EpisodeBag(tmp_path / 'bags' / steps[0].episode_id, task, steps[0].stamp)
        for step in steps:
            step = replace(step, state=states(step.state))
            bag.write(step if step.last else replace(step, action=change(step.action)))
        bag.close()
    return tmp_path / 'bags'


@pytest.mark.slow
@pytest.mark.parametrize(
    'change',
    [np.zeros_like, lambda a: np.array([-0.9, 0.9, -0.9, 0.5], np.float32)],
    ids=['zero', 'constant'],
)
def test_zero_and_constant_actions_are_recomputed_and_reported(recording, task, tmp_path, change):
    bags = zeroed(task, recording, tmp_path, change)
    notes = []
    for bag in bags_by_time(bags):
        report = import_bag(bag, task, tmp_path / 'out')
        notes += report.notes
        assert dict(report.gripper_from) == {'the commanded joint': 1}
    assert (
        notes
        == [
            'recomputed 20 of 20 actions from joint states, axes dx:0.02, dy:0.02, '
            'dz:0.02, gripper:0.2'
        ]
        * 2
    )
    for steps in episodes(tmp_path / 'out'):
        executed = recording.executed[steps[0].episode_id]
        error = np.abs(actions(steps)[:-1, :3] - executed[:-1, :3])
        assert np.median(error) < 0.05 * np.median(np.abs(executed[:, :3]))


def test_actions_that_nothing_recorded_gives_are_refused_with_one_reason(
    recording, task, tmp_path
):
    joints = np.array(['.position' in name or '.following' in name for name in task.state_names])
    bags = zeroed(
        task,
        recording,
        tmp_path,
        np.zeros_like,
        lambda state: np.where(joints, np.float32(0.0), state),
    )
    with pytest.raises(
        CellError, match='cannot be learned from: bag .*: the same; record it'
    ) as e:
        load_demonstrations([bags], Replay(task, 1000), print)
    assert str(e.value).count('add up to') == 1


@pytest.mark.slow
def test_demos_at_launch_takes_raw_and_zeroed_bags_once(recording, task, tmp_path):
    bags = zeroed(task, recording, tmp_path, np.zeros_like)
    shutil.rmtree(tmp_path / 'good')
    logged = []
    for directory in (bags, tmp_path / 'raw'):
        for _ in range(2):
            replay = Replay(task, 1000)
            loaded = load_demonstrations([directory], replay, logged.append)
            assert loaded.env_steps == 40 and replay.prior_size == 40
            assert replay.sample(32, True, np.random.default_rng(0)).action.abs().max() > 0.1
    assert sum('recomputed 20 of 20' in sentence for sentence in logged) == 2
    assert sum('already imported' in sentence for sentence in logged) == 3


def test_a_recorded_step_bag_is_taken_as_it_is(task, tmp_path):
    bag = EpisodeBag(tmp_path / 'bag', task, 1)
    for i in range(6):
        bag.write(record(task, i, last=i == 5))
    bag.close()
    report = import_bag(tmp_path / 'bag', task, tmp_path / 'out')
    assert dict(report.actions_from) == {'recorded': 1}
    with pytest.raises(CellError, match='is in .* already'):
        import_bag(tmp_path / 'bag', task, tmp_path / 'out')
    with pytest.raises(CellError, match='rate: 5.0 here, 10.0 there'):
        import_bag(tmp_path / 'bag', replace(task, rate=5.0), tmp_path / 'other')


def test_a_step_bag_from_before_the_run_id_is_taken_too(task, tmp_path):
    older = get_typestore(Stores.ROS2_JAZZY)
    share = Path(get_package_share_directory('so101_interfaces'))
    for name in ('Step', 'Task'):
        text = (share / 'msg' / f'{name}.msg').read_text()
        before = text[: text.index('string run_id')]
        older.register(get_types_from_msg(before, f'so101_interfaces/msg/{name}'))
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        tasks, steps = (
            writer.add_connection(f'/hilserl/{name}', message_type, typestore=older)
            for name, message_type in (('task', TASK_TYPE), ('step', STEP_TYPE))
        )
        writer.write(tasks, 1, task_to_cdr(task)[:-5])  # 5: an empty string at the end
        for i in range(6):
            step = record(task, i, last=i == 5)
            writer.write(steps, step.stamp, bytes(step_to_cdr(step))[:-5])
    report = import_bag(tmp_path / 'bag', task, tmp_path / 'out')
    assert dict(report.actions_from) == {'recorded': 1} and report.steps == 5


@pytest.mark.slow
def test_the_command_opens_a_bag_once(raw, task, recording, tmp_path, monkeypatch):
    openings, reader_type = [], reader_module.AnyReader

    def counting(paths, **options):
        openings.extend(paths)
        return reader_type(paths, **options)

    monkeypatch.setattr(reader_module, 'AnyReader', counting)
    steps = next(zeroed(task, recording, tmp_path, np.zeros_like).iterdir())
    openings.clear()
    for bag, out in ((raw, 'of-raw'), (steps, 'of-steps')):
        out = str(tmp_path / out)
        assert run(['import', str(bag), '--task', 'grasp_lift', '--out', out]) == 0
    assert openings == [raw, steps]


def test_the_command_prints_a_table_and_leaves_json(raw, tmp_path, capsys):
    assert run(['import', str(raw), '--task', 'grasp_lift', '--out', str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert 'saturated share' in printed and json.loads(printed.splitlines()[-1])['steps'] == 40
    data = json.loads((tmp_path / 'bag.import.json').read_text())
    assert data['labels'] == {'success': 2} and data['rate_hz'] == 10.0
    assert run(['import', str(tmp_path / 'no'), '--task', 'reach']) == 1
    assert 'there is no bag' in capsys.readouterr().err
