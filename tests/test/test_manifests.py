"""package.xml and setup.py: every import declared, one version, one maintainer, one licence."""

import ast
from pathlib import Path
import re
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from hilserl_tests.source_tree import source_root

ROOT = source_root()
PACKAGES = {
    ElementTree.parse(file).findtext('name'): file.parent
    for file in sorted([*ROOT.glob('src/*/package.xml'), ROOT / 'tests' / 'package.xml'])
}
# module -> rosdep key (rosdep/python.yaml of 2026-08), where both differ
ROSDEP = {
    'PIL': 'python3-pil',
    'aiohttp': 'python3-aiohttp',
    'cv2': 'python3-opencv',
    'hypothesis': 'python3-hypothesis',
    'matplotlib': 'python3-matplotlib',
    'mujoco': 'python3-mujoco-pip',
    'numpy': 'python3-numpy',
    'packaging': 'python3-packaging',
    'pytest': 'python3-pytest',
    'rich': 'python3-rich',
    'rosbags': 'python3-rosbags-pip',
    'serial': 'python3-serial',
    'tensorboard': 'python3-tensorboard-pip',
    'torch': 'python3-torch',
    'yaml': 'python3-yaml',
}
# module -> project on PyPI: no rosdep key; the README has the line for pip, package.xml a comment
PYPI = {
    'av': 'av',
    'grimp': 'import-linter',
    'importlinter': 'import-linter',
    'lerobot': 'lerobot',
    'msgspec': 'msgspec',
    'lz4': 'lz4',
    'pyarrow': 'pyarrow',
    'rustypot': 'rustypot',
    'safetensors': 'safetensors',
    'torchvision': 'torchvision',
    'scservo_sdk': 'feetech-servo-sdk',
    'zstandard': 'zstandard',
}
ELSEWHERE = {'serve_policy.py'}  # runs in LeRobot's environment, on what that has
OF_THE_TESTS = {'published'}  # bench/published, on the path by pyproject.toml


def manifest(package):
    return ElementTree.parse(PACKAGES[package] / 'package.xml').getroot()


def declared(package, *tags) -> set[str]:
    return {element.text for tag in tags for element in manifest(package).findall(tag)}


def imports(package, of_tests: bool) -> dict[str, str]:
    """The top-level modules that a package imports -> one file that does."""
    found = {}
    for file in sorted(PACKAGES[package].rglob('*.py')):
        place = file.relative_to(PACKAGES[package])
        if place.name in ('setup.py', *ELSEWHERE) or ('test' in place.parts) is not of_tests:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                found[node.module.partition('.')[0]] = str(place)
            elif isinstance(node, ast.Import):
                found |= {alias.name.partition('.')[0]: str(place) for alias in node.names}
    local = {package, *sys.stdlib_module_names, *OF_THE_TESTS}
    return {
        module: file
        for module, file in found.items()
        if module not in local and not module.endswith('_support')
    }


@pytest.mark.parametrize('package', PACKAGES)
@pytest.mark.parametrize('of_tests', [False, True])
def test_every_import_is_declared(package, of_tests):
    keys = declared(package, 'depend', 'exec_depend', *(['test_depend'] if of_tests else []))
    comment = (PACKAGES[package] / 'package.xml').read_text(encoding='utf-8')
    missing = {
        ROSDEP.get(module, module): file
        for module, file in imports(package, of_tests).items()
        if (
            PYPI[module] not in comment
            if module in PYPI
            else ROSDEP.get(module, module) not in keys
        )
    }
    assert not missing


@pytest.mark.parametrize('package', PACKAGES)
def test_nothing_else_is_declared(package):
    """Besides imports: packages whose nodes or launch files it starts, and build tools."""
    started = {
        'joint_state_publisher_gui',
        'robot_state_publisher',
        'ros2launch',
        'rviz2',
        'rviz_default_plugins',
        'tf2_ros',
        'xacro',
        'rosidl_default_runtime',
        'rosidl_default_generators',
    }
    used = {
        ROSDEP.get(module, module)
        for of_tests in (False, True)
        for module in imports(package, of_tests)
    }
    if package == 'hilserl_actor':
        started |= {'hilserl_learner', 'so101_driver', 'so101_sim'}
    if package == 'so101_interfaces':  # its messages contain theirs
        started |= {'builtin_interfaces', 'geometry_msgs', 'sensor_msgs', 'std_msgs'}
        started |= {'ament_cmake_pytest'}
    assert declared(package, 'depend', 'exec_depend', 'test_depend') <= used | started


def test_what_no_rosdep_key_brings_is_in_the_requirements():
    lines = ''.join(file.read_text() for file in ROOT.glob('requirements*.txt'))
    assert not {name for name in PYPI.values() if not re.search(rf'^{name}==', lines, re.M)}


@pytest.mark.slow
def test_the_readme_has_one_pip_line_for_what_has_no_rosdep_key():
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    (line,) = re.findall(r'^pip install (.*?==.*)$', readme, re.M)
    pinned = dict(re.findall(r'^(\S+)==(\S+)$', (ROOT / 'requirements.txt').read_text(), re.M))
    needed = {
        PYPI[module]
        for package in PACKAGES
        for module in imports(package, False)
        if package != 'hilserl_tests' and module in PYPI
    }
    assert line.split() == [f'{name}=={pinned[name]}' for name in sorted(needed)]


def test_one_version_everywhere_the_newest_of_the_changelog():
    changelog = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    newest = re.search(r'^## \[?(\d+\.\d+\.\d+)', changelog, re.M).group(1)
    versions = {package: manifest(package).findtext('version') for package in PACKAGES}
    versions |= {
        f'{package}/setup.py': re.search(r"version='(.*?)'", setup.read_text()).group(1)
        for package, path in PACKAGES.items()
        if (setup := Path(path) / 'setup.py').exists()
    }
    assert set(versions.values()) == {newest}, versions


@pytest.mark.parametrize('package', PACKAGES)
def test_maintainer_licence_and_format(package):
    root = manifest(package)
    maintainer = root.find('maintainer')
    assert maintainer.text == 'SO-101 HIL-SERL maintainers'
    assert maintainer.get('email') == 'so101-hilserl@users.noreply.github.com'
    assert root.findtext('license') == 'Apache-2.0' and root.get('format') == '3'
    setup = PACKAGES[package] / 'setup.py'
    if setup.exists():
        text = setup.read_text(encoding='utf-8')
        assert f"maintainer_email='{maintainer.get('email')}'" in text
        assert f'description={root.findtext("description")!r}'.replace(' ', '') in re.sub(
            r"'\s*\n\s*'|\s", '', text
        )
