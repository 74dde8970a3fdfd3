"""CI tests with clients of others where their packages can be had, and says where they cannot."""

import pytest

from hilserl_tests.verb.test import peers_missing, peers_python


@pytest.mark.slow
def test_without_the_packages_one_line_says_that_it_was_not_tested(tmp_path, monkeypatch):
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    (tmp_path / 'requirements-peers.txt').write_text('rustypot==1.13.1\n')
    line = peers_missing(tmp_path)
    assert line.startswith("NOT TESTED with LeRobot's bus class and rustypot: ")
    assert 'requirements-peers.txt cannot be installed' in line and len(line.splitlines()) == 1
    assert not peers_python(tmp_path).exists()


@pytest.mark.slow
def test_an_environment_without_packages_is_made_and_kept(tmp_path):
    (tmp_path / 'requirements-peers.txt').write_text('# none\n')
    assert peers_missing(tmp_path) == ''
    made = peers_python(tmp_path).lstat().st_mtime_ns
    assert peers_missing(tmp_path) == '' and peers_python(tmp_path).lstat().st_mtime_ns == made
