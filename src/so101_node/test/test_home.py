"""A node starts without a home directory."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

from so101_node.home import home_environment

TINY = [sys.executable, str(Path(__file__).with_name('tiny_node.py'))]


@pytest.mark.parametrize('home', [None, '', '/nowhere', '/dev/null'])
def test_a_node_starts_without_a_home_directory(home, domain):
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ('HOME', 'ROS_HOME', 'ROS_LOG_DIR')
    }
    if home is not None:
        environment['HOME'] = home
    process = subprocess.Popen(TINY, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout.readline().startswith('alive')
    finally:
        process.kill()
        process.wait()


def test_a_user_with_a_home_directory_keeps_it(tmp_path):
    assert home_environment({'HOME': str(tmp_path)}) == {}
    assert home_environment({'HOME': '/nowhere', 'ROS_LOG_DIR': '/logs'}) == {}
    assert set(home_environment({'HOME': '/nowhere'})) == {'ROS_LOG_DIR'}
