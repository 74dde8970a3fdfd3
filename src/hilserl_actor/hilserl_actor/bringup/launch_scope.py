"""What a launch file of ours takes from the scope in which it is executed.

An including launch file has arguments, parameters and a namespace for nodes of its own, too. What
no option of ours has the name of is left to it. Free of ROS.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from so101_node.options import options_of

from .arguments import GivenValue, names, text_of
from .node_table import node_type, owners
from .options import CellOptions
from .params_file import read_params_file, refuse_sim_time


def given_texts(
    command: str, configurations: Mapping[str, Any], words: Iterable[str]
) -> dict[str, str]:
    """Return the arguments for this command, name to text.

    configurations: those of the launch context; defaults count as not given. words: of the form
    name:=value, all of which are for this file.
    """
    shown = names(command)
    given = {}
    for name, text in configurations.items():
        if name in shown:
            if text != text_of(shown[name].default):
                given[name] = text
        elif name not in options_of(CellOptions) and _is_option(name):
            given[name] = text
    for word in words:
        name, separator, text = word.partition(':=')
        if separator and not name.startswith('launch-prefix'):
            given[name] = text
    return given


def _is_option(name: str) -> bool:
    node, _, option = name.rpartition('.')
    return bool(owners(option, node))


def in_namespace(given: Mapping[str, str], outer: str) -> dict[str, str]:
    """Return `given` with the namespace of an outer PushRosNamespace before its own."""
    own = given.get('namespace', '')
    if not outer.strip('/') or own.startswith('/'):
        return dict(given)
    parts = filter(None, (outer.strip('/'), own.strip('/')))
    return {**given, 'namespace': '/'.join(parts)}


def inherited_values(
    parameters: Iterable[Any], namespace: str
) -> tuple[tuple[GivenValue, ...], list[str]]:
    """Return what outer SetParameter and SetParametersFromFile actions give to our nodes.

    parameters: pairs [name, value] and names of files. The second result has a sentence for each
    parameter that no node of ours has.
    """
    values: list[GivenValue] = []
    notes = []
    for each in parameters:
        if not isinstance(each, str):
            name, value = each
            refuse_sim_time(name, value, 'SetParameter')
            if having := owners(name):
                option = options_of(node_type(having[0]).options)[name]
                values.append(
                    GivenValue('', name, option.checked(value), f'SetParameter {name}', True)
                )
            elif name != 'use_sim_time':
                notes.append(f'SetParameter {name}: no node of this cell has it; it is left out')
        else:
            values += [
                GivenValue(node, name, value, f'SetParametersFromFile {each}', True)
                for node, name, value in read_params_file(each, namespace, foreign=True)
            ]
    return tuple(values), notes
