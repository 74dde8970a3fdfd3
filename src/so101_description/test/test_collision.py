"""Distances of the arm's links, and the motions that they limit."""

import itertools
import time

from hypothesis import given, settings
from hypothesis import strategies as st
import mujoco
import numpy as np
import pytest

from so101_description.collision import CLEARANCE, TOUCH, Collision
from so101_description.joints import JOINTS, LOWER, REST, UPPER
from so101_description.model import load_model

COLLISION = Collision()
NO_TABLE = Collision(-1.0)
UPRIGHT = np.array([0.0, -0.3, -0.4, 0.8, 0.0, 0.5])  # far from everything
poses = st.tuples(*(st.floats(low, high) for low, high in zip(LOWER, UPPER))).map(np.array)
quick = settings(max_examples=100, deadline=None, derandomize=True)


def with_joints(q, **joints):
    q = q.copy()
    for name, angle in joints.items():
        q[JOINTS.index(name)] = angle
    return q


@quick
@given(poses, poses, st.booleans())
def test_a_limited_motion_brings_no_links_nearer_than_allowed(start, end, targets):
    limit = COLLISION.limit_target if targets else COLLISION.limit_motion
    allowed = COLLISION.clearances if targets else np.full(len(COLLISION.names), -TOUCH)
    reached, links = limit(start, end)
    least = np.minimum(allowed, COLLISION.distances(start)) - 2e-6
    for share in np.linspace(0.0, 1.0, 9):
        distances = COLLISION.distances(start + share * (reached - start))
        slack = 0.0 if share in (0.0, 1.0) else 2e-3  # between two samples of 0.15 rad
        assert (distances >= least - slack).all()
    assert np.array_equal(reached, end) == (links == '')


@quick
@given(poses)
def test_two_boxes_that_share_a_point_are_in_contact(q):
    """Compare with points of the boxes, computed without MuJoCo's distances."""
    model = load_model()
    data = mujoco.MjData(model)
    data.qpos[[model.joint(name).qposadr[0] for name in JOINTS]] = q
    mujoco.mj_kinematics(model, data)
    grid = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))

    def points(geom):
        return (
            data.geom_xpos[geom]
            + (grid * model.geom_size[geom]) @ data.geom_xmat[geom].reshape(3, 3).T
        )

    distances = COLLISION.distances(q)
    found = dict.fromkeys(COLLISION.names, np.inf)
    for name, distance in zip(COLLISION.names, distances):
        found[name] = min(found[name], distance)
    wrist, servo = model.geom('wrist_servo').id, model.geom('shoulder_servo').id
    inside = np.abs((points(wrist) - data.geom_xpos[servo]) @ data.geom_xmat[servo].reshape(3, 3))
    if (inside < model.geom_size[servo]).all(1).any():
        assert found['shoulder', 'wrist'] < 0.0
    for box, link in (('wrist_cradle', 'wrist'), ('upper_arm_servo', 'upper arm')):
        lowest = points(model.geom(box).id)[:, 2].min()
        assert found[link, 'table'] <= min(lowest, CLEARANCE) + 1e-9


def test_a_motion_in_free_space_is_not_limited():
    end = UPRIGHT + 0.2
    reached, links = COLLISION.limit_target(UPRIGHT, end)
    assert links == '' and np.array_equal(reached, end)


def test_a_motion_through_an_obstacle_stops_before_it():
    """Both ends are clear; on the way the fingers swing 22 mm deep through the table."""
    start = np.array([1.3, 0.3, 0.3, 1.6, 0.0, 1.6])
    end = with_joints(start, wrist_flex=-1.6)
    assert COLLISION.too_near(start) == '' == COLLISION.too_near(end)
    reached, links = COLLISION.limit_target(start, end)
    assert links == 'gripper and table' and COLLISION.too_near(reached) == ''
    assert COLLISION.contact([start, end]).startswith('the gripper would be')
    assert NO_TABLE.limit_target(start, end)[1] == ''


def test_fingers_may_touch_the_table_and_other_links_keep_their_clearance():
    low = with_joints(UPRIGHT, shoulder_lift=0.6, elbow_flex=-0.6, wrist_flex=np.pi / 2)
    down = with_joints(low, shoulder_lift=1.4)
    reached, links = COLLISION.limit_target(low, down)
    assert links == 'jaw and table'
    assert abs(COLLISION.distances(reached).min()) < 1e-3
    flat = with_joints(UPRIGHT, shoulder_lift=0.6, elbow_flex=0.0, wrist_flex=-1.6)
    reached, links = COLLISION.limit_target(flat, with_joints(flat, shoulder_lift=1.7))
    assert links == 'lower arm and table'
    assert COLLISION.distances(reached).min() == pytest.approx(CLEARANCE, abs=1e-3)


def test_the_table_height_moves_the_table_and_minus_one_removes_it():
    assert COLLISION.contact(REST) == '' == NO_TABLE.contact(REST)
    sentence = Collision(0.02).contact(REST)
    assert 'the gripper would be 17 mm below the table surface (table_height 0.02 m)' == sentence
    pressed = with_joints(UPRIGHT, shoulder_lift=1.7, elbow_flex=0.3)
    assert 'table' in COLLISION.contact(pressed) and NO_TABLE.contact(pressed) == ''


def test_a_path_is_told_at_its_first_contact_and_may_begin_in_one():
    folded = with_joints(REST, elbow_flex=1.69)  # deeper than the rest pose
    assert NO_TABLE.contact(folded) == (
        'the shoulder and the lower arm would be 9 mm inside each other'
    )
    assert NO_TABLE.contact([folded, REST, UPRIGHT]) == ''
    assert NO_TABLE.contact([UPRIGHT, folded]).startswith('the shoulder and the lower arm would')
    assert NO_TABLE.contact([UPRIGHT, UPRIGHT + 0.1]) == ''


def test_a_check_takes_less_than_a_millisecond():
    q = np.random.default_rng(0).uniform(LOWER, UPPER, (500, 6))
    for _ in range(3):  # other processes may use these cores too
        times = []
        for pose in q:
            began = time.thread_time()
            COLLISION.distances(pose)
            times.append(time.thread_time() - began)
        median, p99 = np.percentile(times, (50, 99)) * 1e3
        print(f'one check: median {median:.3f} ms, p99 {p99:.3f} ms')
        if p99 < 1.0:
            return
    pytest.fail(f'p99 {p99:.2f} ms')
