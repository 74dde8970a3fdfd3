"""bench.yaml: read with one sentence for each mistake, written complete."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
import yaml

from so101_driver import bench_file
from so101_driver.bench_file import (
    ArmEntry,
    Bench,
    CameraEntry,
    arm_value,
    bench_of,
    find_bench,
    given_values,
    read_bench,
    text_of,
    write_bench,
)
from so101_node.errors import CellError

WHOLE = """\
version: 1
follower: {port: /dev/f, calibration: calibration/follower.json, voltage: 12}
leader: {port: /dev/l, calibration: /elsewhere/leader.json, voltage: 7.4}
cameras:
  wrist: {device: /dev/video2, width: 640, height: 480, rate: 30}
"""


@pytest.fixture
def bench(tmp_path):
    def write(text):
        path = tmp_path / 'bench.yaml'
        path.write_text(text)
        return path

    return write


def test_each_value_becomes_the_value_of_an_option(bench):
    path = bench(WHOLE)
    given = {f'{node}.{name}': value for _, node, name, value in given_values(path)}
    assert given == {
        'driver.follower_port': '/dev/f',
        'driver.follower_calibration': str(path.parent / 'calibration/follower.json'),
        'driver.follower_voltage': 12.0,
        'driver.leader_port': '/dev/l',
        'driver.leader_calibration': '/elsewhere/leader.json',
        'driver.leader_voltage': 7.4,
        'camera.camera_device': '/dev/video2',
        'camera.camera_width': 640,
        'camera.camera_height': 480,
        'camera.camera_rate': 30.0,
    }


def test_the_table_is_a_value_of_every_node_that_knows_it(bench):
    path = bench('version: 1\nworkspace: {table_height: 0.02}')
    assert list(given_values(path)) == [('workspace.table_height', '', 'table_height', 0.02)]


def test_a_value_that_is_not_in_the_file_is_not_given(bench):
    assert list(given_values(bench('version: 1\nfollower: {port: /dev/f}'))) == [
        ('follower.port', 'driver', 'follower_port', '/dev/f')
    ]


@pytest.mark.parametrize(
    'text, sentence',
    [
        ('', 'has no key version; ./cell find writes such a file'),
        ('- 1', 'has no key version'),
        ('follower: {}', 'has no key version'),
        ('version: 2', 'version is 2; this suite reads 1'),
        ('version: one', "version is 'one'"),
        ('version: 1\nfolower: {}', 'it has no key folower; did you mean follower?'),
        ('version: 1\nfollower: {prot: /dev/f}', 'follower has no key prot; did you mean port?'),
        (
            'version: 1\ncameras: {wrist: {devic: 0}}',
            'cameras.wrist has no key devic; did you mean device?',
        ),
        ('version: 1\ncameras: {Wrist: {}}', 'cameras:=Wrist is no role'),
        ('version: 1\ncameras: {1: {}}', 'expected str, got int'),
        ('version: 1\ncameras: [wrist]', 'cameras is no mapping of keys to values'),
        (
            'version: 1\ncameras: {front: {rotation: 45}}',
            'cameras.front: camera_rotation:=45 is not one of 0, 90',
        ),
        (
            'version: 1\ncameras: {wrist: {exposure: dark}}',
            'cameras.wrist: camera_exposure:=dark is neither keep nor auto',
        ),
        ('version: 1\nfollower: /dev/f', 'follower is no mapping of keys to values'),
        ('version: 1\nfollower: {1: 2}', 'follower has no key 1'),
        ('version: 1\nfollower: {port: 3}', 'follower.port: expected str, got int'),
        ('version: 1\nfollower: {voltage: 7V4}', 'follower.voltage: expected float | null, got'),
        ('version: 1\nfollower: {voltage: 48}', 'follower.voltage: follower_voltage:=48.0 is out'),
        ('version: 1\nfollower: {voltage: .nan}', 'is not a finite number'),
        (
            'version: 1\ncameras: {wrist: {width: 9}}',
            'cameras.wrist.width: camera_width:=9 is out',
        ),
        ('version: 1\ncameras: {wrist: {rate: true}}', 'cameras.wrist: rate: expected float'),
        ('version: 1\nworkspace: {min: [0, 0]}', 'workspace.min: expected array'),
        ('version: 1\nworkspace: {min: [0, 0.2, 0]}', 'workspace: workspace_min (0.0, 0.2, 0.0)'),
        ('version: 1\nworkspace: {mn: [0, 0, 0]}', 'workspace has no key mn; did you mean min?'),
        ('version: 1\nworkspace: {table_height: 2}', 'workspace.table_height: table_height:=2.0'),
        (
            'version: 1\nfollower: {port: /dev/a}\nleader: {port: /dev/a}',
            'follower.port and leader.port are both /dev/a; each arm has its own',
        ),
        ('version: [', 'cannot be read'),
        ('version: 1\na: &a 1\nb: *a', 'cannot be read: it has the alias *a'),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_key(bench, text, sentence):
    path = bench(text)
    with pytest.raises(CellError) as error:
        read_bench(path)
    assert str(error.value).startswith(f'bench {path}') and sentence in str(error.value)
    assert '\n' not in str(error.value)


def test_a_bench_that_is_no_file_is_refused(tmp_path):
    for path in (tmp_path / 'nothing.yaml', tmp_path):
        with pytest.raises(CellError, match='name a bench file, or run ./cell find'):
            read_bench(path)


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / 'bench.yaml'
    written = Bench(
        1,
        ArmEntry('/dev/f', '/c/follower.json', 12.0),
        cameras={
            'wrist': CameraEntry('/dev/video0', 640, 480, 30.0, exposure=12.5),
            'front': CameraEntry('/dev/video2', calibration=str(tmp_path / 'c/front.yaml')),
        },
    )
    write_bench(path, written)
    assert read_bench(path) == written
    assert path.read_text().startswith('# Values of this bench')
    assert 'null' not in path.read_text() and '{}' not in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_the_bench_of_this_directory_is_used_unless_another_or_none_is_named(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert find_bench('') is None
    (tmp_path / bench_file.NAME).touch()
    assert find_bench('') == tmp_path / 'bench.yaml'
    assert find_bench('none') is None
    assert find_bench('other.yaml') == tmp_path / 'other.yaml'


def test_a_verb_takes_the_value_of_an_arm_from_the_bench_unless_it_is_given(
    bench, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CellError, match='--port is needed, because there is no bench.yaml here;'):
        arm_value(None, 'leader', 'port', '', '--port')
    path = bench('version: 1\nleader: {port: /dev/l}')
    assert arm_value(None, 'leader', 'port', '', '--port') == '/dev/l'
    assert arm_value('/dev/x', 'leader', 'port', '', '--port') == '/dev/x'
    assert arm_value(None, 'leader', 'voltage', '', '') is None
    with pytest.raises(CellError, match=f'because {path} has no follower.port; ./cell find'):
        arm_value(None, 'follower', 'port', str(path), '--port')


KEYS = st.sampled_from(
    ['version', 'follower', 'leader', 'cameras', 'workspace', 'port', 'voltage', 'calibration']
    + ['wrist', 'device', 'width', 'exposure', 'rotation', 'min', 'max', 'table_height', 1, None]
)
LEAVES = st.sampled_from([1, 0, -1, True, None, '', '~', 'a', '\0', 1e400, [0.1, 0.2, 0.3], {}])
VALUES = st.recursive(
    LEAVES | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.dictionaries(KEYS, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_content_is_read_or_refused_in_one_sentence(content):
    path = Path('/bench/bench.yaml')
    try:
        bench = bench_of({**content, 'version': 1}, path)
    except CellError as error:
        assert str(error).startswith(f'bench {path}')
    else:
        assert bench_of(yaml.safe_load(text_of(bench, path)), path) == bench
