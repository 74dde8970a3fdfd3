"""Makes docs/tasks.md from the task file's keys: `python -m hilserl_tests.tasks_page --write`."""

from pathlib import Path
import sys

from hilserl_core.contract.task_text import table, template

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'tasks.md'
HEAD = """# Tasks

Generated from the code by `python -m hilserl_tests.tasks_page --write`; a test compares them.

A task says what is observed, what an action does, and where an episode starts. It is one file:

```
./cell task show                     # the installed tasks
./cell task show grasp_lift          # what it observes and does, and its hash
./cell task new my_task              # writes my_task.yaml, with a comment for each key
./cell task check my_task.yaml       # the file, and whether the arm can do it
./cell train task:=./my_task.yaml
```

`task:=` takes the name of an installed task, or a path: a word with a `/` or with `.yaml` at its
end. Bags, checkpoints and policies have the task's hash. It covers what the policy sees and does,
and the name. If one of these changes, the task is another one: its runs and demonstrations are
refused, with the keys that differ. `instruction`, `reset`, `learning` and `sim` are not in the
hash: they may change.

A camera of the task is one of the cell by its role: the real one in `bench.yaml`
([cameras.md](cameras.md#several-cameras)), in the simulated cell the scene's `ROLE_camera`.
`so101.xml` has `wrist_camera`, `table.xml` has `front_camera` and `side_camera`.

`rate:=` and `frame_size:=` of a command replace the task's values. `rate:=` keeps the speeds and
the time limit.

`action` names the axes of an action. Each has a scale: how far an action of 1 moves it in one
step. An axis with the scale 0 is no part of the action, and what it would move is held: at its
value of the start pose. If a limit has moved it, it returns. So a task may act on any of `dx`,
`dy`, `dz`, `droll`, `dpitch` and `gripper`. These are examples:

```yaml
action: {dx: 0.02, dy: 0.02, dz: 0.02, droll: 0.1}  # the wrist rolls; the pitch is held
action: {dz: 0, gripper: 0}                          # the tool moves in its plane
action: {dx: 0, dy: 0, dz: 0, joints: {shoulder_pan: 0.1, elbow_flex: 0.1}}
action: {discrete_gripper: true}
```

`droll` turns the joint `wrist_roll`. `dpitch` turns the fingers about the tool, which keeps its
position; if the joints cannot reach that pitch, the position has priority. With `dpitch` or
`joints` the pitch is that of the last target: nothing brings it back to `start.pitch`. `joints`
moves single joints in place of the tool; the workspace box ends a motion there, too. With
`discrete_gripper` the gripper's number is -1 (it closes by its scale), 0 (it holds) or 1 (it
opens); train it with `agent_options:=gripper=discrete`, which learns a value for each of them.

The key `sim` is for the simulated cell only. A scene is an MJCF file, which may be in the same
folder as the task file. It includes the arm and, if you like, our table, light and cameras:

```xml
<mujoco model="mine">
  <include file="so101.xml"/>
  <include file="table.xml"/>
  <worldbody>
    <body name="can" pos="0.25 0 0.02">
      <freejoint/>
      <geom type="cylinder" size="0.015 0.02" mass="0.03"/>
    </body>
  </worldbody>
</mujoco>
```

`table.xml` has the options of the physics, too. In place of `so101.xml`, a scene may include
another model of the SO-101 whose joints and actuators have these names; it gets our tool frame and
wrist camera if it has none.

The scripted operator opens the gripper by 5 cm. It closes along the line from the arm to the body.
For a body that cannot be grasped like that, such as a long bar, act on `droll` and set
`sim.skill.turn`.

`sim.place` names its bodies. A body with a free joint can be moved; another one is moved only
between episodes. Each condition of `sim.success` is one line, such as
`{is: inside, body: can, of: bin, min: [-0.03, -0.03, 0], max: [0.03, 0.03, 0.02]}`. The success
is reached when all of them have been fulfilled for `sim.hold` seconds.

An unknown key is refused. `NAME` in the table stands for a word of yours.

"""
MIDDLE = """
## A new file
`./cell task new my_task` writes this:

```yaml
"""


def page() -> str:
    """Return the page in Markdown."""
    return HEAD + table() + MIDDLE + template('my_task') + '```\n'


if __name__ == '__main__':
    if sys.argv[1:] == ['--write']:
        PAGE.write_text(page(), encoding='utf-8')
    else:
        print(page(), end='')
