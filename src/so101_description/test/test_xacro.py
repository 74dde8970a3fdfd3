"""The arm as MoveIt and ros2_control load it, expanded by the real xacro where it is installed."""

import xml.etree.ElementTree as ElementTree

import pytest

from so101_description.joints import JOINTS
from so101_description.model import URDF_PATH

xacro = pytest.importorskip('xacro', reason='of a ROS distribution, or pip install xacro')


@pytest.mark.parametrize(
    'mock, plugin',
    [
        ('false', 'joint_state_topic_hardware_interface/JointStateTopicSystem'),
        ('true', 'mock_components/GenericSystem'),
    ],
)
def test_xacro_makes_a_urdf_with_one_control_system_of_all_joints(mock, plugin):
    path = str(URDF_PATH.with_name('so101.urdf.xacro'))
    root = ElementTree.fromstring(xacro.process_file(path, mappings={'mock': mock}).toxml())
    (system,) = root.findall('ros2_control')
    assert system.findtext('hardware/plugin') == plugin
    assert [joint.get('name') for joint in system.findall('joint')] == list(JOINTS)
    movable = {j.get('name'): j.find('limit') for j in root.findall('joint')}
    for joint in system.findall('joint'):
        limits = [float(each.text) for each in joint.findall('command_interface/param')]
        limit = movable[joint.get('name')]
        of_joint = [float(limit.get(end)) for end in ('lower', 'upper')]
        assert limits == pytest.approx(of_joint, abs=1e-4)
    assert not [each for each in root.iter() if 'xacro' in each.tag]
