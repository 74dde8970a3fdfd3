"""Makes docs/options.md from the options: `python -m hilserl_tests.options_page --write`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
import sys

from hilserl_actor.bringup.arguments import COMMANDS, names, text_of
from hilserl_actor.bringup.node_table import node_types
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_learner.agent.config import AgentConfig, SacConfig
from so101_node.options import Option, options_of

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'options.md'
HEAD = """# Options

Generated from the code by `python -m hilserl_tests.options_page --write`; a test compares them.

`./cell train` and `ros2 launch hilserl_actor train.launch.py` take every option alike:

```
./cell train run:=lift memory_gb:=2            # an option of the cell, or of each node that has it
./cell train driver.max_speed:=1.5             # an option of one node
./cell train params_file:=FILE                 # any set of them, as a ROS parameter file
```

A parameter file has `/**:` for every node that has the option, and `NODE:` for one. An unknown
node or name is refused, with the nearest known one.

```yaml
/**:
  ros__parameters: {seed: 1}
driver:
  ros__parameters:
    max_speed: 1.5
    locked_joints: [wrist_roll]
```

The command line overrides the file, and `node.name:=` overrides `name:=`. Both override
the bench file of a real cell ([bench.md](bench.md)). A run's `run.yaml` has every option of every
node at the start of the run, and the changes at later starts.
"""
AGENT = """
## Numbers of the algorithm
`agent_options:="discount=0.99 frame_stack=3"` changes them; the defaults are those of
`algorithm:=cell`. A run keeps the ones it was started with. Steps are those of a task at 10 Hz: at
another rate, `discount`, `n_step` and the schedules last the same seconds.
"""
SAC = """
`algorithm:=sac` has these, and all above but `noise_clip` and `graph`:

"""


def page() -> str:
    """Return the page in Markdown."""
    shown: dict[str, Option] = {}
    for command in COMMANDS:
        shown |= {name: each for name, each in names(command).items() if name not in shown}
    common = {name: each for name, each in shown.items() if '.' not in name}
    parts = [HEAD, '\n## Of the cell, and of several nodes\n', _table(common, verbs=True)]
    for node, kind in node_types().items():
        own = {
            name: each
            for name, each in options_of(kind.options).items()
            if f'{node}.{name}' in shown and name not in common
        }
        if own:
            parts += [f'\n## Of {node}\n', _table({f'{node}.{n}': o for n, o in own.items()})]
    agent = dict(options_of(AgentConfig)) | dict(options_of(NetworkConfig))
    parts += [AGENT, _table(agent, separator='=')]
    sac = {n: each for n, each in options_of(SacConfig).items() if n not in agent}
    parts += [SAC, _table(sac, separator='=')]
    return ''.join(parts)


def _table(options: Mapping[str, Option], verbs: bool = False, separator: str = ':=') -> str:
    rows: Iterable[str] = (
        f'| `{name}{separator}{text_of(each.default)}` | {_cell(each.described())} |'
        + (f' {_commands(each)} |' if verbs else '')
        for name, each in options.items()
    )
    head = '| option and default | meaning |' + (' commands |' if verbs else '')
    return '\n'.join([head, '|---|---|' + ('---|' if verbs else ''), *rows]) + '\n'


def _commands(each: Option) -> str:
    return 'all' if each.verbs in ((), COMMANDS) else ', '.join(each.verbs)


def _cell(text: str) -> str:
    return text.replace('|', '\\|')


if __name__ == '__main__':
    if sys.argv[1:] == ['--write']:
        PAGE.write_text(page(), encoding='utf-8')
    else:
        print(page(), end='')
