"""The files for stock `ros2 bag record` name our topics, and a QoS that our publishers serve."""

from pathlib import Path

import yaml

from so101_node import names, qos

CONFIG = Path(__file__).resolve().parents[1] / 'config'
CAMERA = names.WRIST_CAMERA
PUBLISHED = {
    names.JOINT_STATES.format(arm='follower'): qos.SENSOR_PUB,
    names.JOINT_STATES.format(arm='leader'): qos.SENSOR_PUB,
    names.JOINT_COMMANDS.format(arm='follower'): qos.COMMAND,
    names.IMAGE.format(camera=CAMERA): qos.SENSOR_PUB,
    names.CAMERA_INFO.format(camera=CAMERA): qos.SENSOR_PUB,
    names.ACTOR_STATUS: qos.STATUS,
    names.REWARD: qos.SENSOR_PUB,
}


def test_the_list_has_the_topics_that_an_import_uses():
    listed = (CONFIG / 'record_topics.txt').read_text().split()
    assert listed == [f'/{topic}' for topic in PUBLISHED]


def test_every_topic_is_subscribed_with_a_compatible_qos():
    profiles = yaml.safe_load((CONFIG / 'record_qos.yaml').read_text())
    assert list(profiles) == [f'/{topic}' for topic in PUBLISHED]
    for topic, profile in PUBLISHED.items():
        asked = profiles[f'/{topic}']
        assert asked['reliability'] == profile.reliability.name.lower()
        assert asked['durability'] == profile.durability.name.lower()
        assert asked['history'] == profile.history.name.lower()
        assert asked['depth'] >= profile.depth


def test_the_import_document_names_the_same_topics():
    text = (CONFIG.parents[2] / 'docs' / 'importing.md').read_text()
    for topic in PUBLISHED:
        assert topic in text or topic.endswith('camera_info')


def test_both_files_are_installed():
    assert "glob('config/*')" in (CONFIG.parent / 'setup.py').read_text()
