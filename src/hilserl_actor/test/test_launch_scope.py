"""What a launch file of ours takes from the scope in which it is executed."""

import pytest

from hilserl_actor.bringup.arguments import resolve
from hilserl_actor.bringup.launch_scope import given_texts, in_namespace, inherited_values
from so101_node.errors import CellError


def test_a_default_and_an_argument_of_another_file_do_not_count_as_given():
    scope = {'seed': '0', 'foo': '1', 'run': 'x', 'policy': '', 'max_speed': '1.5'}
    assert given_texts('train', scope, ()) == {'run': 'x', 'max_speed': '1.5'}


def test_words_that_are_for_our_file_are_taken_even_if_unknown():
    given = given_texts('train', {'foo': '1'}, ['foo:=1', 'launch-prefix:=nice', 'verbose'])
    assert given == {'foo': '1'}
    with pytest.raises(CellError, match='train has no option foo'):
        resolve('train', given)


@pytest.mark.parametrize(
    'outer, own, together',
    [('', 'b', 'b'), ('left', '', 'left'), ('/left', 'b', 'left/b'), ('left', '/b', '/b')],
)
def test_an_outer_namespace_is_put_before_a_relative_one(outer, own, together):
    given = in_namespace({'namespace': own} if own else {}, outer)
    assert given.get('namespace', '') == together


def test_outer_parameters_are_overridden_by_every_given_value():
    inherited, notes = inherited_values([['seed', 9], ['rate', 20], ['foreign', True]], '')
    assert notes == ['SetParameter foreign: no node of this cell has it; it is left out']
    arguments = resolve('train', {'rate': '5'}, inherited)
    actor = arguments.node('actor')
    assert (actor.seed, actor.rate) == (9, 5.0)


def test_a_wrong_outer_value_for_an_option_of_ours_is_refused():
    with pytest.raises(CellError, match='seed:=often is not a whole number'):
        inherited_values([['seed', 'often']], '')


def test_a_file_of_outer_parameters_may_be_for_other_nodes_too(tmp_path):
    file = tmp_path / 'all.yaml'
    file.write_text(
        '/**:\n  ros__parameters: {seed: 4, frequency: 2}\n'
        'light:\n  ros__parameters: {colour: red}\n'
        'light2:\n  colour: red\n'
        '/right/driver:\n  ros__parameters: {max_speed: 1.0}\n'
        '/left/driver:\n  ros__parameters: {max_speed: 2.0}\n'
    )
    inherited, notes = inherited_values([str(file)], 'left')
    assert notes == []
    assert [(each.node, each.name, each.value) for each in inherited] == [
        ('', 'seed', 4),
        ('driver', 'max_speed', 2.0),
    ]


@pytest.mark.parametrize('value', [True, 'true', 'True'])
def test_simulated_time_is_refused(value):
    with pytest.raises(CellError, match='this cell uses the clock of the computer'):
        inherited_values([['use_sim_time', value]], '')
    assert inherited_values([['use_sim_time', False]], '') == ((), [])


def test_simulated_time_in_an_outer_file_is_refused(tmp_path):
    file = tmp_path / 'all.yaml'
    file.write_text('/**:\n  ros__parameters: {use_sim_time: true}\n')
    with pytest.raises(CellError, match='this cell uses the clock of the computer'):
        inherited_values([str(file)], '')
