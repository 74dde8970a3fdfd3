"""Writes the lock files in lock/: `python -m hilserl_tests.lock --write [--upgrade]`.

A lock file has every package that `./cell setup` installs, with its version and the hashes of its
files; pip refuses any other file. For each Python there are five: what builds the package that has
no wheel (`-build`); what is installed always; torch (`-torch`), of which a CPU build may lie on
this machine; what the CUDA build of torch needs (`-cuda`); what a ROS distribution brings (`-ros`:
installed only where none is sourced). `./cell docs` installs docs/site/lock.txt, one for all of
them. uv resolves them, from requirements*.txt, in an environment of its own. What no requirement
pins keeps its version; --upgrade takes the newest.
"""

from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
import re
import subprocess
import sys
import tempfile
import venv

from .source_tree import source_root

PYTHONS = ('3.11', '3.12', '3.13', '3.14')
PARTS = ('-build', '', '-torch', '-cuda', '-ros')
REQUIREMENTS = ('requirements.txt', 'requirements-dev.txt', 'requirements-ros.txt')
UV = 'lock/uv.txt'
SITE_REQUIREMENTS, SITE = 'requirements-docs.txt', 'docs/site/lock.txt'
# CPU builds of torch, which are not on PyPI: file -> hash, for the Python of its name.
CPU_BUILDS = {
    'torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl': (
        '6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b'
    ),
}
_OF_CUDA = re.compile(r'nvidia-|cuda-|triton$')
_ENTRY = re.compile(r'([A-Za-z0-9._-]+)==([^ ;\\]+)')
_HEAD = '# Made by `python -m hilserl_tests.lock --write`; see CONTRIBUTING.md.\n'


@dataclass(frozen=True)
class Locked:
    """One package of a lock file. needed_by: packages and requirement files."""

    name: str
    version: str
    hashes: tuple[str, ...]
    needed_by: frozenset[str] = frozenset()

    def text(self) -> str:
        """Return the lines of the lock file."""
        return ' \\\n'.join(
            [f'{self.name}=={self.version}', *(f'    --hash=sha256:{h}' for h in self.hashes)]
        )


def path_of(root: Path, python: str, part: str) -> Path:
    """Return the lock file of a Python version; part: one of PARTS."""
    return root / 'lock' / f'python{python}{part}.txt'


def normalised(name: str) -> str:
    """Return a project's name as PyPI compares it."""
    return re.sub(r'[-_.]+', '-', name).lower()


def read(text: str) -> list[Locked]:
    """Read a lock file, or what uv printed."""
    found = []
    for block in re.split(r'\n(?=[A-Za-z0-9])', text):
        if entry := _ENTRY.match(block):
            needed_by = re.findall(r'^ +#(?: +via)? +(?:-r )?([\w./-]+)$', block, re.M)
            found.append(
                Locked(
                    normalised(entry[1]),
                    entry[2],
                    tuple(re.findall(r'--hash=sha256:([0-9a-f]{64})', block)),
                    frozenset(needed_by) - {'via'},
                )
            )
    return found


def pinned(file: Path) -> dict[str, str]:
    """Return what a requirements file pins: name -> version."""
    return {
        normalised(entry[1]): entry[2]
        for line in file.read_text(encoding='utf-8').splitlines()
        if (entry := _ENTRY.match(line))
    }


def split(packages: Iterable[Locked], of_distribution: set[str]) -> dict[str, list[Locked]]:
    """Divide the packages among the lock files.

    A package is installed always if a requirement needs it without a package that a distribution
    brings. of_distribution: what requirements-ros.txt names.
    """
    packages = list(packages)
    always: set[str] = {'requirements.txt', 'requirements-dev.txt'}
    grown = True
    while grown:
        more = {
            each.name
            for each in packages
            if each.name not in of_distribution and each.needed_by & always
        }
        grown = not more <= always
        always |= more
    parts: dict[str, list[Locked]] = {part: [] for part in PARTS}
    for each in packages:
        if each.name == 'setuptools':
            part = '-build'
        elif each.name == 'torch':
            part = '-torch'
        elif _OF_CUDA.match(each.name):
            part = '-cuda'
        else:
            part = '' if each.name in always else '-ros'
        parts[part].append(each)
    return parts


def resolve(root: Path, python: str, uv: Path, upgrade: bool) -> list[Locked]:
    """Return every package for one Python version, as uv resolves them."""
    before = ''.join(
        path.read_text(encoding='utf-8')
        for part in PARTS
        if (path := path_of(root, python, part)).exists() and not upgrade
    )
    with tempfile.TemporaryDirectory() as directory:
        preferred = Path(directory, 'lock.txt')
        preferred.write_text(before, encoding='utf-8')
        subprocess.run(
            [
                uv, 'pip', 'compile', '--quiet', '--generate-hashes', '--no-header',
                '--python-version', python, '--python-platform', 'x86_64-manylinux_2_28',
                '--output-file', preferred, *REQUIREMENTS,
            ],
            check=True,
            cwd=root,
        )  # fmt: skip
        packages = read(preferred.read_text(encoding='utf-8'))
    return [_with_cpu_build(each, python) for each in packages]


def lock_site(root: Path, uv: Path, upgrade: bool) -> None:
    """Write the lock file of `./cell docs`, for every supported Python."""
    words = ['--quiet', '--universal', '--generate-hashes', '--no-header', '--no-annotate']
    words += ['--python-version', PYTHONS[0], '--output-file', SITE]
    words += ['--upgrade'] if upgrade else []
    subprocess.run([uv, 'pip', 'compile', *words, SITE_REQUIREMENTS], check=True, cwd=root)
    file = root / SITE
    file.write_text(_HEAD + file.read_text(encoding='utf-8'), encoding='utf-8')


def _with_cpu_build(package: Locked, python: str) -> Locked:
    start = f'{package.name}-{package.version}+cpu-cp{python.replace(".", "")}-'
    extra = {value for file, value in CPU_BUILDS.items() if file.startswith(start)}
    hashes = tuple(sorted({*package.hashes, *extra}))
    return Locked(package.name, package.version, hashes, package.needed_by)


def main() -> None:
    """Resolve and write the lock files of every supported Python."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('--write', action='store_true', required=True)
    parser.add_argument('--upgrade', action='store_true', help='take the newest versions')
    options = parser.parse_args()
    root = source_root()
    of_distribution = set(pinned(root / 'requirements-ros.txt'))
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        programs = Path(directory, 'bin')
        install = ['-m', 'pip', 'install', '--quiet', '--require-hashes', '-r', str(root / UV)]
        subprocess.run([programs / 'python', *install], check=True)
        for python in PYTHONS:
            packages = resolve(root, python, programs / 'uv', options.upgrade)
            for part, chosen in split(packages, of_distribution).items():
                text = _HEAD + '\n'.join(each.text() for each in chosen) + '\n'
                path_of(root, python, part).write_text(text, encoding='utf-8')
            print(f'Python {python}: {len(packages)} packages', file=sys.stderr)
        lock_site(root, programs / 'uv', options.upgrade)


if __name__ == '__main__':
    main()
