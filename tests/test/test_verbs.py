"""Every verb of `./cell`: found, described, quick to list, one sentence for a mistake."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

from ament_index_python.packages import get_package_prefix
import pytest

from hilserl_tests.source_tree import source_root
from so101_node import verb

VERBS = {
    'hilserl_console': {'console'},
    'hilserl_lerobot': {'export', 'import-lerobot'},
    'hilserl_reward': {'reward'},
    'hilserl_actor': {
        *('act', 'eval', 'learn', 'operator', 'preflight', 'record', 'secure', 'task', 'train'),
    },
    'hilserl_link': {'secure-link'},
    'hilserl_learner': {'checkpoints', 'import', 'import-policy', 'label', 'report', 'watch'},
    'so101_driver': {'calibrate', 'find', 'motors'},
    'hilserl_tests': {'bench', 'docs', 'lint', 'test'},
}
# arguments that the parser accepts and the verb refuses
MISTAKES = {
    **{name: ['nonsense:=1'] for name in VERBS['hilserl_actor'] - {'secure', 'task'}},
    'bench': ['nonsense'],
    'calibrate': ['leader', '--port', '/dev/nowhere', '--file', 'x.json'],
    'checkpoints': ['nonsense'],
    'console': ['nonsense'],
    'export': ['nonsense', '--lerobot', 'x'],
    'find': ['--follower', '/dev/nowhere'],
    'import': ['nonsense', '--task', 'reach'],
    'import-lerobot': ['nonsense', '--task', 'reach'],
    'import-policy': ['nonsense', '--out', 'x'],
    'label': ['nonsense', 'success'],
    'motors': ['leader', '--port', '/dev/nowhere'],
    'report': ['nonsense'],
    'reward': ['data', 'nonsense'],
    'secure': ['--keystore', '/dev/null/keys'],
    'secure-link': ['--arms', 'no name'],
    'task': ['check', 'nonsense'],
    'test': ['nonsense'],
    'watch': ['nonsense'],
}
NAMES = sorted(name for names in VERBS.values() for name in names)


def test_the_installed_packages_have_exactly_these_verbs():
    assert sorted(verb.verbs()) == NAMES


@pytest.mark.parametrize('name', NAMES)
def test_help_imports_no_slow_library(name):
    """It would take seconds on a busy computer."""
    script = (
        'import sys\n'
        'from so101_node import verb\n'
        'try:\n    verb.run(sys.argv[1:])\n'
        'except SystemExit:\n    pass\n'
        'print("imported", *sorted(set(sys.modules) & {"torch", "mujoco", "cv2", "rclpy"}))\n'
    )
    shown = subprocess.run(
        [sys.executable, '-c', script, name, '--help'], capture_output=True, text=True, timeout=60
    )
    assert shown.stdout.startswith('usage: ') and shown.stdout.endswith('\nimported\n')


@pytest.mark.parametrize('name', NAMES)
def test_help_names_every_argument(name, capsys):
    with pytest.raises(SystemExit) as ended:
        verb.run([name, '--help'])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    actions = verb.parser_of(name)._actions
    for action in actions:
        for word in action.option_strings or [str(action.metavar or action.dest)]:
            assert word in text or action.choices
        for choice in action.choices or ():
            assert choice in text
    assert verb.load(name).__doc__.splitlines()[0] in text


@pytest.mark.parametrize('name', sorted(MISTAKES))
def test_a_mistake_is_one_sentence_and_exit_code_1(name, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert verb.run([name, *MISTAKES[name]]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f'cell {name}: ') and captured.err.count('\n') == 1
    assert captured.out == ''


@pytest.mark.slow
@pytest.mark.parametrize('package', sorted(VERBS))
def test_ros2_run_finds_the_verbs(package):
    scripts = Path(get_package_prefix(package)) / 'lib' / package
    for name in VERBS[package] - {'operator', 'console'}:  # those are the nodes
        ended = subprocess.run(
            [scripts / name, '--help'], capture_output=True, text=True, timeout=30
        )
        assert ended.returncode == 0 and ended.stdout.startswith(f'usage: cell {name}')


def test_listing_the_verbs_imports_nothing_slow():
    code = (
        'import sys; from so101_node import verb; assert len(verb.overview().splitlines()) > 5; '
        'print(*sys.modules)'
    )
    modules = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=30, check=True
    ).stdout.split()
    assert not {'torch', 'mujoco', 'rclpy', 'numpy', 'rich', 'rosbags', 'cv2'} & set(modules)


@pytest.mark.slow
def test_with_a_distribution_sourced_ros2_launch_starts_the_cell(tmp_path):
    ros2 = tmp_path / 'ros2'
    ros2.write_text('#!/bin/sh\necho ros2 "$@"\n')
    ros2.chmod(0o755)
    environment = {
        **os.environ,
        'ROS_DISTRO': 'kilted',
        'PATH': f'{tmp_path}{os.pathsep}{os.environ["PATH"]}',
    }

    def output(*words, code=0):
        ended = subprocess.run(
            [sys.executable, '-m', 'so101_node.verb', *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == code, ended.stderr
        return ended.stdout

    def launches(*words, code=0):
        return [line for line in output(*words, code=code).splitlines() if line.startswith('ros2')]

    for name, word in (
        ('record', 'seed:=3'),
        ('preflight', 'seed:=3'),
        ('train', 'start:=scratch'),
    ):
        assert launches(name, word) == [f'ros2 launch hilserl_actor {name}.launch.py {word}']
    # a first session; here it ends early, because nothing is recorded
    first, *_ = launches('train', 'run_for:=9', code=1)
    assert first.startswith('ros2 launch hilserl_actor record.launch.py run:=grasp_lift-demos')
    assert output('train', '--help').startswith('usage: cell train')


@pytest.mark.slow
def test_the_script_names_the_verbs_and_refuses_an_unknown_one():
    cell = source_root() / 'cell'
    shown = subprocess.run([cell, '--help'], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0
    assert all(f'./cell {name} ' in shown.stdout for name in [*NAMES, 'setup', 'shell'])


@pytest.mark.slow
def test_the_shell_has_the_suites_python_first_whatever_the_users_bashrc_does(tmp_path):
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'python').symlink_to('/bin/false')
    (tmp_path / '.bashrc').write_text(f'PATH={tmp_path}/bin:$PATH\nPS1=mine\n')
    done = subprocess.run(
        [source_root() / 'cell', 'shell'],
        input='python -c "import so101_node; print(so101_node.__name__)"; echo "$PS1"; exit\n',
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, 'HOME': str(tmp_path)},
    )
    assert done.stdout.splitlines()[-2:] == ['so101_node', '(cell) mine'], done.stderr


@pytest.mark.parametrize('words, code', [(['--help'], 0), (['-c', 'ls'], 2)])
def test_the_shell_says_what_it_does_and_takes_no_arguments(words, code):
    done = subprocess.run(
        [source_root() / 'cell', 'shell', *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code
    assert ('bash in which the suite works' in done.stdout) == (code == 0)
    assert ('takes no arguments' in done.stderr) == (code == 2)


@pytest.mark.parametrize('name', ['fresh é x', 'with space', 'accenté', 'a;b'])
def test_a_checkout_whose_path_cannot_be_built_in_is_refused_before_anything_is_installed(
    name, tmp_path
):
    checkout = tmp_path / name
    checkout.mkdir()
    shutil.copy(source_root() / 'cell', checkout)
    done = subprocess.run(
        [checkout / 'cell', 'setup'],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != 'HOME'},
    )
    assert done.returncode == 1
    assert done.stdout == ''
    (line,) = done.stderr.splitlines()
    assert (
        line.startswith("cell: ROS's message generator cannot build in") and str(checkout) in line
    )
    assert [path.name for path in checkout.iterdir()] == ['cell']
