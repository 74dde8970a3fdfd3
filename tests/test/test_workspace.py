"""The packages in a colcon workspace of somebody else, without ./cell (docs/ros.md)."""

import subprocess

import pytest

from hilserl_tests.source_tree import source_root


def colcon(workspace, *words):
    done = subprocess.run(
        ['colcon', *words], cwd=workspace, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_colcon_builds_tests_and_reports_a_package_that_is_linked_into_a_workspace(tmp_path):
    (tmp_path / 'src').mkdir()
    (tmp_path / 'src' / 'so101_node').symlink_to(source_root() / 'src' / 'so101_node')
    assert 'so101_node' in colcon(tmp_path, 'list')
    colcon(tmp_path, 'build')
    assert (tmp_path / 'install' / 'so101_node' / 'share' / 'so101_node' / 'package.xml').exists()
    colcon(
        tmp_path, 'test', '--pytest-args', '-k', 'test_refusals', '-m', 'not graph and not slow'
    )
    report = colcon(tmp_path, 'test-result', '--all')
    assert 'build/so101_node/pytest.xml' in report and ' 0 errors, 0 failures' in report
    assert ' 0 tests' not in report
