"""Finds the class of `algorithm:=package.module:Class`. It loads without torch."""

import importlib
import re
from typing import Any

from so101_node.errors import CellError
from so101_node.options import nearest

DRQV2 = 'hilserl_learner.agent.drqv2:Agent'
SAC = 'hilserl_learner.agent.sac:Agent'
# What the class itself must have; docs/howto/algorithm.md describes each.
MEMBERS = (
    'CONFIG',
    'update',
    'act',
    'policy',
    'modules',
    'optimizers',
    'state',
    'load_state',
    'update_ema',
    'start_from',
    'keep_start',
)
_FORM = re.compile(r'[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*', re.ASCII)
_GUIDE = 'docs/howto/algorithm.md describes them'


def import_algorithm(name: str) -> Any:
    """Import the class `package.module:Class`; CellError, one sentence, if it is no algorithm."""
    if not _FORM.fullmatch(name):
        raise CellError(f'algorithm is {name!r}, which has not the form package.module:Class')
    path, _, class_name = name.partition(':')
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path == error.name or path.startswith(f'{error.name}.')):
            raise CellError(
                f'algorithm {name}: there is no module {error.name}; install its package into '
                '.venv, or name its folder in PYTHONPATH'
            ) from error
        raise CellError(f'algorithm {name}: {path} cannot be imported: {error}') from error
    except Exception as error:  # whatever the module does when it is imported
        raise CellError(
            f'algorithm {name}: {path} cannot be imported: {type(error).__name__}: {error}'
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        known = [each for each, value in vars(module).items() if isinstance(value, type)]
        raise CellError(
            f'algorithm {name}: {path} has no class {class_name}{nearest(class_name, known)}'
        )
    missing = [each for each in MEMBERS if not hasattr(found, each)]
    missing += [each for each in getattr(found, '__abstractmethods__', ()) if each not in missing]
    if missing:
        raise CellError(
            f'algorithm {name}: class {class_name} lacks {", ".join(sorted(missing))}; {_GUIDE}'
        )
    return found
