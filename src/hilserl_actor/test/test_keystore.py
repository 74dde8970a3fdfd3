"""SROS 2: each node's rights, and keys where the middleware supports them."""

import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from hilserl_actor.bringup import keystore
from hilserl_actor.bringup.node_table import node_types
from hilserl_actor.bringup.rights import RIGHTS, enclave, policy
from so101_node.errors import CellError

FROM_WHEELS = not os.environ.get('ROS_DISTRO')
FAKE_ROS2 = """#!/bin/sh
echo "$@" >>"$CALLS"
case "$2" in
  create_keystore) mkdir -p "$3/enclaves" ;;
  create_enclave) mkdir -p "$3/enclaves$4"; touch "$3/enclaves$4/key.pem" ;;
  create_permission) test -f "$5" ;;
esac
"""


def allowed(text, rule):
    return {
        name.text
        for group in ElementTree.fromstring(text).iter()
        if rule in group.attrib
        for name in group
    }


def test_every_node_has_rights():
    assert set(RIGHTS) == set(node_types())


def test_only_the_actor_may_command_the_arms_and_only_the_learner_may_send_weights():
    def publishers(name):
        return {node for node in RIGHTS if name in allowed(policy('', node), 'publish')}

    assert publishers('/follower/joint_commands') == {'actor'}
    # link_client passes on those of a learner on another host
    assert publishers('/hilserl/weights') == {'learner', 'link_client'}
    assert publishers('/hilserl/reward') == {'world', 'success_detector'}
    assert publishers('/driver/stop') == {'operator', 'console', 'actor'}


@pytest.mark.parametrize('node', RIGHTS)
def test_a_policy_names_full_names_of_its_own_cell_without_wildcards(node):
    text = policy('left', node)
    assert '*' not in text
    (profile,) = ElementTree.fromstring(text).iter('profile')
    assert (profile.get('ns'), profile.get('node')) == ('/left', node)
    for rule in ('publish', 'subscribe', 'reply', 'request'):
        for name in allowed(text, rule):
            in_cell = name.startswith(('/left/', '~/'))
            assert in_cell or name in ('/rosout', '/parameter_events', '/diagnostics')


def test_one_more_camera_may_publish_its_own_images_only():
    published = allowed(policy('left', 'front_camera'), 'publish')
    assert '/left/front_camera/image_raw' in published
    seen = allowed(policy('left', 'console', roles=['front']), 'subscribe')
    assert {'/left/wrist_camera/image_raw', '/left/front_camera/image_raw'} <= set(seen)
    assert '/left/front_camera/image_raw' not in allowed(policy('left', 'console'), 'subscribe')
    assert not any('wrist' in name for name in published)
    assert allowed(policy('', 'camera'), 'publish') >= {'/wrist_camera/image_raw'}


def test_a_task_with_one_more_camera_runs_with_keys():
    front = '/left/front_camera/image_raw'
    assert front in allowed(policy('left', 'actor', roles=['front']), 'subscribe')
    assert f'{front}/compressed' in allowed(policy('left', 'actor', roles=['front']), 'subscribe')
    made = allowed(policy('left', 'world', roles=['front']), 'publish')
    assert {front, '/left/front_camera/camera_info'} <= made
    assert front not in allowed(policy('left', 'learner', roles=['front']), 'subscribe')
    assert front not in allowed(policy('left', 'driver', roles=['front']), 'publish')


def test_a_learner_of_two_cells_has_its_topics_in_both():
    text = policy('a', 'learner', ['b'])
    assert {'/a/hilserl/step', '/b/hilserl/step'} <= allowed(text, 'subscribe')
    assert '/b/hilserl/step' not in allowed(policy('a', 'actor', ['b']), 'publish')
    assert enclave('a', 'learner') == '/a/learner'
    assert enclave('', 'learner') == '/learner'


@pytest.mark.slow
@pytest.mark.skipif(not FROM_WHEELS, reason='a distribution has DDS security')
def test_the_wheels_have_no_security_and_the_verb_says_so_and_makes_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'so101_node.verb', 'secure', '--keystore', str(tmp_path / 'keys')],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith('cell secure: the middleware here has no DDS security')
    assert 'install ROS 2' in line
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not FROM_WHEELS, reason='a distribution has DDS security')
def test_a_run_that_asks_for_security_that_is_not_there_is_one_sentence():
    done = subprocess.run(
        [sys.executable, '-m', 'so101_node.verb', 'train', 'run_for:=1'],
        capture_output=True,
        text=True,
        env={**os.environ, 'ROS_SECURITY_ENABLE': 'true'},
    )
    assert done.returncode == 1
    assert done.stderr.startswith('cell train: the middleware here has no DDS security')


@pytest.fixture
def sros2(tmp_path, monkeypatch):
    """An installation with SROS 2, whose `ros2` writes down how it was called."""
    programs = tmp_path / 'bin'
    programs.mkdir()
    (programs / 'ros2').write_text(FAKE_ROS2)
    (programs / 'ros2').chmod(0o755)
    calls = tmp_path / 'calls'
    monkeypatch.setenv('CALLS', str(calls))
    monkeypatch.setenv('PATH', f'{programs}:{os.environ["PATH"]}')
    monkeypatch.setattr(keystore, 'has_security', lambda: True)
    monkeypatch.setattr(keystore, 'find_spec', lambda name: name)
    return calls


def test_each_node_gets_an_enclave_once_and_its_permission_each_time(sros2, tmp_path):
    directory = tmp_path / 'keys'
    made = keystore.make_keystore(directory, 'left', [], ['wrist', 'front'])
    assert made == [f'/left/{node}' for node in (*RIGHTS, 'front_camera')]
    assert directory.stat().st_mode & 0o777 == 0o700
    calls = [line.split() for line in sros2.read_text().splitlines()]
    assert calls[0] == ['security', 'create_keystore', str(directory)]
    assert [words[3] for words in calls if words[1] == 'create_enclave'] == made
    assert [words[3] for words in calls if words[1] == 'create_permission'] == made
    sros2.write_text('')
    keystore.make_keystore(directory, 'left', [], ['front'])
    assert {line.split()[1] for line in sros2.read_text().splitlines()} == {'create_permission'}


def test_without_sros2_the_sentence_names_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(keystore, 'has_security', lambda: True)
    monkeypatch.setenv('ROS_DISTRO', 'kilted')
    with pytest.raises(CellError, match=r'apt-get install ros-kilted-sros2'):
        keystore.make_keystore(tmp_path / 'keys', '', [])


def test_a_failure_of_ros2_security_is_one_sentence(sros2, tmp_path):
    failing = '#!/bin/sh\necho trace >&2\necho "bad key" >&2\nexit 2\n'
    (tmp_path / 'bin' / 'ros2').write_text(failing)
    with pytest.raises(CellError, match=r'^ros2 security create_keystore failed: bad key$'):
        keystore.make_keystore(tmp_path / 'keys', '', [])
