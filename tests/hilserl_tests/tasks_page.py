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
refused, with the keys that differ. The instruction is not part of the hash.

`rate:=` and `frame_size:=` of a command replace the task's values. `rate:=` keeps the speeds and
the time limit.

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
