"""The rosdep keys of the manifests, and what they bring: tests/test/rosdep_keys.yaml.

    git clone --depth 1 https://github.com/ros/rosdistro
    python -m hilserl_tests.rosdep_keys rosdistro

writes the file again from a checkout. A key is a package of a distribution, or a rule of rosdep.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
import subprocess
import sys
from typing import Any
import xml.etree.ElementTree as ElementTree

import yaml

from .source_tree import source_root

DISTRIBUTIONS = ('jazzy', 'kilted', 'lyrical')
RULES = ('rosdep/base.yaml', 'rosdep/python.yaml')
TAGS = ('depend', 'build_depend', 'exec_depend', 'test_depend', 'buildtool_depend')
# Ubuntu releases of the distributions
RELEASES = ('noble', 'resolute')


def file() -> Path:
    """Return the path of the list."""
    return source_root() / 'tests' / 'test' / 'rosdep_keys.yaml'


def keys() -> set[str]:
    """Return the keys of all manifests, without the packages of this repository."""
    root = source_root()
    manifests = [
        ElementTree.parse(each).getroot()
        for each in (*root.glob('src/*/package.xml'), root / 'tests' / 'package.xml')
    ]
    own = {each.findtext('name') for each in manifests}
    used = {element.text for each in manifests for tag in TAGS for element in each.findall(tag)}
    return {key for key in used - own if key}


def known() -> dict[str, str]:
    """Return what each key of the list brings."""
    found: dict[str, str] = yaml.safe_load(file().read_text(encoding='utf-8'))['keys']
    return found


def looked_up(checkout: Path, wanted: Iterable[str]) -> dict[str, str]:
    """Return what each key brings by a checkout of rosdistro, without keys that bring nothing.

    A package brings the distributions that release it, a rule the installer and its packages.
    """
    rules: dict[str, Any] = {}
    for name in RULES:
        rules |= _read(checkout / name)
    packages = {name: _released(checkout / name / 'distribution.yaml') for name in DISTRIBUTIONS}
    found = {}
    for key in sorted(wanted):
        if key in rules:
            brought = _of_ubuntu(rules[key])
        else:
            brought = ', '.join(name for name in DISTRIBUTIONS if key in packages[name])
        if brought:
            found[key] = brought
    return found


def _read(path: Path) -> dict[str, Any]:
    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    found: dict[str, Any] = yaml.load(path.read_text(encoding='utf-8'), loader)
    return found


def _released(path: Path) -> set[str]:
    found = set()
    for name, repository in _read(path)['repositories'].items():
        if 'release' in repository:
            found |= set(repository['release'].get('packages', [name]))
    return found


def _of_ubuntu(rule: Mapping[str, Any]) -> str:
    """Return what a rule installs on Ubuntu, as `apt python3-numpy`; '' if nothing."""
    of_system = rule.get('ubuntu', rule.get('*'))
    if isinstance(of_system, dict) and not {'pip', 'apt', 'packages'} & set(of_system):
        of_releases = [of_system.get(name, of_system.get('*')) for name in RELEASES]
        if not all(of_releases):
            return ''
        of_system = of_releases[0]
    if isinstance(of_system, list):
        return 'apt ' + ' '.join(of_system)
    for installer, what in (of_system or {}).items():
        return f'{installer} ' + ' '.join(what['packages'])
    return ''


def main(checkout: Path) -> None:
    """Write the list from a checkout of rosdistro."""
    commit, date = subprocess.run(
        ['git', '-C', str(checkout), 'log', '-1', '--format=%H %cs'],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    lines = [
        '# What the rosdep keys of the manifests bring on Ubuntu noble and resolute: python -m',
        '# hilserl_tests.rosdep_keys writes it from a checkout of github.com/ros/rosdistro.',
        f'commit: {commit}',
        f'date: {date}',
        'keys:',
        *(f'  {key}: {brought}' for key, brought in looked_up(checkout, keys()).items()),
    ]
    file().write_text('\n'.join(lines) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main(Path(sys.argv[1]))
