"""The lock files are complete: `./cell setup` installs nothing without a version and a hash."""

from importlib import metadata
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

from hilserl_tests.lock import (
    PARTS,
    PYTHONS,
    SITE,
    SITE_REQUIREMENTS,
    UV,
    Locked,
    normalised,
    path_of,
    pinned,
    read,
    split,
)
from hilserl_tests.source_tree import source_root

ROOT = source_root()
THIS = f'{sys.version_info.major}.{sys.version_info.minor}'
# rosdep key of package.xml -> project on PyPI, where the name differs
OF_ROSDEP = {
    'python3-opencv': 'opencv-python-headless',
    'python3-pil': 'pillow',
    'python3-serial': 'pyserial',
    'python3-yaml': 'pyyaml',
}


def locked(python, *parts) -> dict[str, Locked]:
    """The packages in lock files of a Python: name -> package."""
    return {
        each.name: each
        for part in parts or PARTS
        for each in read(path_of(ROOT, python, part).read_text())
    }


@pytest.mark.parametrize('python', PYTHONS)
def test_every_requirement_is_locked_with_its_version(python):
    found = {name: each.version for name, each in locked(python).items()}
    for file in ('requirements.txt', 'requirements-dev.txt', 'requirements-ros.txt'):
        for name, version in pinned(ROOT / file).items():
            assert found.get(name) == version, f'{name} of {file}; renew the lock files'


@pytest.mark.parametrize('python', PYTHONS)
def test_every_package_has_hashes_and_is_in_one_file(python):
    names = []
    for part in PARTS:
        text = path_of(ROOT, python, part).read_text()
        lines = [line for line in text.splitlines() if re.match(r'\w', line)]
        packages = read(text)
        assert len(packages) == len(lines)  # nothing that pip would read and this test not
        assert all(each.hashes for each in packages)
        names += [each.name for each in packages]
    assert len(names) == len(set(names))
    assert all(each.hashes for each in read((ROOT / UV).read_text()))


def test_the_site_s_packages_are_locked_with_their_versions_and_hashes():
    packages = read((ROOT / SITE).read_text())
    assert len(packages) > 20 and all(each.hashes for each in packages)
    found = {each.name: each.version for each in packages}
    wanted = pinned(ROOT / SITE_REQUIREMENTS)
    assert wanted and {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize('python', PYTHONS)
def test_every_python_package_of_a_manifest_is_locked(python):
    keys = set()
    for manifest in [*ROOT.glob('src/*/package.xml'), ROOT / 'tests' / 'package.xml']:
        keys |= set(re.findall(r'<\w*depend>(python3-[\w-]+)</', manifest.read_text()))
    names = {OF_ROSDEP.get(key, key.removeprefix('python3-').removesuffix('-pip')) for key in keys}
    assert len(names) > 5
    assert names <= set(locked(python))


def test_what_an_installed_package_needs_is_locked():
    """pip does not resolve dependencies at set-up, so the lock must have all of them."""
    from packaging.requirements import Requirement

    packages, missing = locked(THIS), []
    for name in packages:
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # of CUDA, or of the distribution
        for need in map(Requirement, needs):
            if need.marker and not need.marker.evaluate({'extra': ''}):
                continue
            each = packages.get(normalised(need.name))
            if each is None or not need.specifier.contains(each.version, prereleases=True):
                missing.append(f'{name} needs {need}')
    assert not missing


def test_with_a_distribution_nothing_of_it_is_replaced():
    of_distribution = set(pinned(ROOT / 'requirements-ros.txt')) - {'setuptools'}
    for python in PYTHONS:
        always = locked(python, '-build', '', '-torch', '-cuda')
        assert not of_distribution & set(always)
        assert {'torch', 'mujoco', 'rosbags', 'ruff'} <= set(always)


def test_a_package_is_divided_by_what_needs_it():
    def package(name, *needed_by):
        return Locked(name, '1', ('0' * 64,), frozenset(needed_by))

    packages = [
        package('torch', 'requirements.txt'),
        package('sympy', 'torch'),
        package('nvidia-nccl', 'torch'),
        package('numpy', 'requirements-ros.txt', 'torch'),
        package('pytest', 'requirements-ros.txt', 'pytest-timeout'),
        package('pytest-timeout', 'requirements-dev.txt'),
        package('pluggy', 'pytest'),
        package('setuptools', 'requirements-ros.txt', 'torch'),
    ]
    parts = split(packages, {'numpy', 'pytest', 'setuptools'})
    assert {part: [each.name for each in chosen] for part, chosen in parts.items()} == {
        '-build': ['setuptools'],
        '': ['sympy', 'pytest-timeout'],
        '-torch': ['torch'],
        '-cuda': ['nvidia-nccl'],
        '-ros': ['numpy', 'pytest', 'pluggy'],
    }


@pytest.mark.slow
def test_pip_refuses_a_file_with_another_hash(tmp_path):
    entry = locked(THIS, '-build')['setuptools']
    (tmp_path / 'lock.txt').write_text(entry.text() + '\n')
    wheel = tmp_path / f'setuptools-{entry.version}-py3-none-any.whl'
    wheel.write_bytes(b'not what was locked')
    pip = [sys.executable, '-m', 'pip', 'download', '--no-deps', '--no-index', '--require-hashes']
    done = subprocess.run(
        [*pip, '--find-links', str(tmp_path), '-d', str(tmp_path / 'out')]
        + ['-r', str(tmp_path / 'lock.txt')],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith('PIP_')},
    )
    assert done.returncode and 'DO NOT MATCH THE HASHES' in done.stderr


def test_the_cell_installs_from_the_lock_files_with_hashes_only():
    script = Path(ROOT / 'cell').read_text()
    assert '--require-hashes --no-deps' in script
    assert 'requirements' not in script
