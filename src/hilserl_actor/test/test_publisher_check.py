"""Commands, rewards and weights have one publisher each; others are named."""

from hilserl_actor.loop.preflight import DISCOVERY_TIME
from hilserl_actor.ros.publisher_check import PublisherCheck
from so101_node.publisher import Publisher

LEARNER, STRANGER = (Publisher(f'/{name}', name.encode()) for name in ('learner', 'stranger'))
KILLED = Publisher('/learner', b'of the killed process')


def check_of(found):
    names = lambda topic: ', '.join(each.node for each in found)  # noqa: E731
    return PublisherCheck(['hilserl/weights'], lambda topic: found, names)


def test_one_publisher_is_no_problem():
    assert check_of([LEARNER]).problem(0.0) == check_of([]).problem(0.0) == ''


def test_a_second_node_is_named_at_once():
    problem = check_of([LEARNER, STRANGER]).problem(0.0)
    assert problem.startswith('2 nodes publish hilserl/weights: /learner, /stranger; end all')


def test_a_killed_node_that_was_started_again_is_no_second_one_unless_it_stays():
    found = [LEARNER]
    check = check_of(found)
    assert check.problem(0.0) == ''
    found.append(KILLED)
    assert check.problem(1.0) == check.problem(DISCOVERY_TIME) == ''
    assert check.problem(DISCOVERY_TIME + 1.0)


def test_two_publishers_with_one_name_from_the_beginning_get_the_time_of_discovery():
    check = check_of([LEARNER, KILLED])
    assert check.problem(0.0) == check.problem(DISCOVERY_TIME) == ''
    assert check.problem(DISCOVERY_TIME + 1.0)
