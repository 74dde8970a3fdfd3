"""Messages of another run are refused by name."""

import pytest

from so101_node.errors import CellError
from so101_node.run_id import RunFilter, check_run_id, new_run_id


def test_a_message_of_another_run_or_of_none_is_refused_and_counted():
    own = RunFilter('run-1')
    assert own.problem('run-1') == ''
    assert "run 'run-2'" in own.problem('run-2')
    assert 'no run' in own.problem('')
    assert own.refused == 2


def test_without_an_id_the_first_one_that_arrives_is_taken():
    own = RunFilter('')
    assert own.problem('') == ''
    assert own.problem('run-1') == ''
    assert own.problem('run-2')
    assert own.problem('')


def test_foreign_text_in_a_refusal_is_bounded():
    assert len(RunFilter('a').problem('x' * 10**6)) < 200


@pytest.mark.parametrize('given', ['a b', '../x', 'x' * 65])
def test_an_id_with_other_characters_is_refused(given):
    with pytest.raises(CellError, match='run_id'):
        check_run_id(given)


def test_random_ids_differ_and_are_valid():
    assert new_run_id() != new_run_id()
    check_run_id(new_run_id())
