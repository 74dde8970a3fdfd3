"""The generated Python classes exist, and serialising them (CDR) loses nothing."""

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from so101_interfaces.msg import KinematicsConfig, Step
from so101_interfaces.srv import GetAction, GetJointTarget, GetToolPose, SolvePose


def test_a_step_is_unchanged_after_serialisation():
    step = Step(
        schema_hash='ab',
        episode_id='e1',
        index=3,
        source=Step.SOURCE_HUMAN,
        images=[Image(height=2, width=2, encoding='rgb8', step=6, data=bytes(range(12)))],
        state=[0.5, -1.0],
        action=[0.0, 1.0, -1.0, 0.25],
        reward=1.0,
        has_reward=True,
        terminated=True,
        policy_version=7,
    )
    back = deserialize_message(serialize_message(step), Step)
    assert back == step
    assert bytes(back.images[0].data) == bytes(range(12))


def test_a_step_without_reward_is_not_a_step_with_reward_zero():
    assert Step() != Step(has_reward=True)


def test_actions_have_as_many_components_as_the_task_and_the_service_names_them():
    """The contract of 0.2.0; CHANGELOG.md has a note for each change."""
    for service in (GetAction.Response, GetJointTarget.Request):
        assert service.get_fields_and_field_types()['action'] == 'sequence<float>'
        assert len(service().action) == 0
    assert GetJointTarget.Request().hold.name == []
    assert KinematicsConfig.get_fields_and_field_types() == {
        'model_hash': 'string',
        'action_names': 'sequence<string>',
        'action_scales': 'sequence<double>',
        'box_min': 'double[3]',
        'box_max': 'double[3]',
        'joint_limits': 'string',
    }
    assert GetToolPose.Response().ok is False
    assert SolvePose.Response().ok is False
