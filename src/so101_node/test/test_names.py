"""Names that tell cells apart."""

import pytest

from so101_node.names import in_cell, of_cell

NAME = 'driver: /dev/ttyACM0: load'


@pytest.mark.parametrize('namespace', ['/', '/left', '/lab/left'])
def test_a_diagnostic_is_known_in_its_own_cell_only(namespace):
    said = in_cell(namespace, NAME)
    assert of_cell(namespace, said) == NAME
    assert not any(
        of_cell(other, said)
        for other in ('/', '/left', '/lab/left', '/right')
        if other != namespace
    )


def test_a_cell_without_a_namespace_says_the_bare_name():
    assert in_cell('/', NAME) == NAME
