"""Recorded actions that cannot have caused the motion of the arm."""

from core_support import record
import numpy as np

from hilserl_core.contract.action_check import ActionCheck


def moving(schema, millimetres, action):
    check = ActionCheck(schema)
    x = schema.state_names.index('tool.x')
    for i in range(11):
        state = np.zeros(19, np.float32)
        state[x] = 0.2 + millimetres / 1000 * i / 10
        check.add_step(record(schema, i, state=state, action=np.array(action, np.float32)))
    return check.problem()


def test_zero_actions_while_the_arm_moved_are_found(schema):
    assert '100 mm, but its actions add up to 0 mm' in moving(schema, 100, [0, 0, 0, 1])
    assert moving(schema, 100, [0.5, 0, 0, 0]) == ''
    assert moving(schema, 3, [0, 0, 0, 1]) == ''
