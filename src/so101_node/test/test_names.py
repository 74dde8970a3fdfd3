"""Diagnostic names of cells in different namespaces."""

import pytest

from so101_node.names import in_cell, of_cell

NAME = 'driver: /dev/ttyACM0: load'


@pytest.mark.parametrize('namespace', ['/', '/left', '/lab/left'])
def test_a_diagnostic_belongs_to_its_own_cell_only(namespace):
    name = in_cell(namespace, NAME)
    assert of_cell(namespace, name) == NAME
    assert not any(
        of_cell(other, name)
        for other in ('/', '/left', '/lab/left', '/right')
        if other != namespace
    )


def test_without_a_namespace_the_name_is_unchanged():
    assert in_cell('/', NAME) == NAME
