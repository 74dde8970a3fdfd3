"""Starts the guard, which takes long, before the first test."""

import subprocess
import sys

import pytest

import so101_sim  # noqa: F401  it chooses MuJoCo's renderer, before MuJoCo is imported


@pytest.fixture(scope='session', autouse=True)
def guard(request, tmp_path_factory):
    """The guard's process and its directory, if a selected test uses it."""
    if not any(item.path.name == 'test_learning.py' for item in request.session.items):
        yield None
        return
    directory = tmp_path_factory.mktemp('guard')
    with open(directory / 'log', 'w') as log:
        process = subprocess.Popen(
            [sys.executable, '-m', 'hilserl_tests.guard', directory], stdout=log, stderr=log
        )
        try:
            yield process, directory
        finally:
            process.kill()
            process.wait()
