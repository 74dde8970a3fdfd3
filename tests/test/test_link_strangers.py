"""Who has no keys can neither read what passes on the network, nor send, nor mislead an arm.

Three network namespaces: an arm, a learner, and a stranger. Every packet is captured.
"""

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

from hilserl_link.keys import make_keys
from hilserl_tests.slow_network import ARM, LEARNER, STRANGER, Line, refusal, slow_network

PROGRAM = Path(__file__).parent / 'link_programs' / 'sides.py'
pytestmark = [pytest.mark.slow, pytest.mark.timing]


class Side:
    """A side of the link as a process in its namespace."""

    def __init__(self, network, side, values):
        supports = [path for path in sys.path if path.endswith('test')]
        path = os.pathsep.join([*supports, os.environ.get('PYTHONPATH', '')])
        words = [sys.executable, str(PROGRAM), side, json.dumps(values)]
        self.process = subprocess.Popen(
            network.within(side, words),
            env=os.environ | {'PYTHONPATH': path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self):
        """Wait for its next line."""
        return json.loads(self.process.stdout.readline())

    def end(self):
        """End it; return its last line."""
        out, _ = self.process.communicate(timeout=60.0)
        assert self.process.returncode == 0
        return json.loads(out)


@pytest.fixture
def network(tmp_path):
    if why := refusal():
        pytest.skip(why)
    with slow_network(tmp_path / 'packets') as network:
        yield network


@pytest.fixture
def values(tmp_path):
    for name in ('keys', 'strange_keys'):
        make_keys(tmp_path / name, ['arm'])
    return {
        'secret': os.urandom(12_288).hex(),
        'folder': str(tmp_path / 'spool'),
        'keys': str(tmp_path / 'keys'),
        'strange_keys': str(tmp_path / 'strange_keys'),
    }


def readable(network, tmp_path, values):
    """Return how many of the secret's 768 pieces are in the captured packets."""
    network.set(Line())  # the capture is complete then
    packets, secret = (tmp_path / 'packets').read_bytes(), bytes.fromhex(values['secret'])
    assert len(packets) > len(secret)
    return sum(secret[at : at + 16] in packets for at in range(0, len(secret), 16))


def test_a_stranger_can_neither_read_nor_send_nor_stand_in_for_the_learner(
    network, tmp_path, values
):
    learner, stranger = (Side(network, side, values) for side in (LEARNER, STRANGER))
    answers = stranger.line()
    arm = Side(network, ARM, values).end()
    misled, learned = stranger.end(), learner.end()
    assert len(answers) == 3 and all(text.startswith('refused: ') for text in answers.values())
    assert learned['steps'] == [['arm.a', 'e', index] for index in range(3)]
    assert arm['policies'] == 1 and arm['of_stranger'] == 0
    assert 'certificate' in arm['problem'].lower()
    assert misled['steps'] == [] and misled['log'] == []  # not even its hello
    assert readable(network, tmp_path, values) == 0


def test_without_keys_images_and_policies_are_readable_on_the_wire(network, tmp_path, values):
    values |= {'keys': ''}
    learner = Side(network, LEARNER, values)
    assert Side(network, ARM, values).end() == {'policies': 1}
    assert len(learner.end()['steps']) == 3
    assert readable(network, tmp_path, values) > 700
