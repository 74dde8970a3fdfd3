"""A cell with a wrong calibration, camera or clock is found among those that do the same task."""

from dataclasses import replace

from core_support import record
import numpy as np
import pytest

from hilserl_link.excluded import ExcludedCells
from hilserl_link.fleet import Fleet


def run(schema, change=lambda cell, step: step, cells='abcd', episodes=8, seed=0, late=None):
    """Episodes of random motion in each cell, at the same time."""
    fleet, rng = Fleet(schema), np.random.default_rng(seed)
    for number in range(episodes):
        for cell in cells:
            path = np.cumsum(rng.normal(size=(20, len(schema.state_names))), 0)
            for index, state in enumerate(0.1 * path * schema.state_scale):
                episode = f'{cell}-{number}'
                image = rng.integers(100, 130, (64, 64, 3)).astype(np.uint8)
                step = record(schema, index, episode, last=index == 19, images=(image,))
                step = change(cell, replace(step, state=state.astype(np.float32)))
                delay = (late or {}).get((cell, number), 0.0)
                fleet.note(cell, step, step.stamp * 1e-9 + 0.05 + delay)
    return fleet


def of(cell, **changes):
    """Change fields of the steps of one cell."""

    def change(name, step):
        if name != cell:
            return step
        return replace(step, **{key: each(step) for key, each in changes.items()})

    return change


@pytest.mark.parametrize('seed', range(10))
def test_cells_that_do_the_same_are_all_alike(schema, seed):
    assert run(schema, seed=seed).odd() == {}


def moved(step, place, by):
    state = step.state.copy()
    state[place] += by
    return state


def test_a_dark_camera_a_wrong_joint_and_an_old_image_are_named(schema):
    dark = of('b', images=lambda s: tuple(image // 3 for image in s.images))
    assert run(schema, dark).odd() == {
        'b': 'brightness of wrist_camera is 0.148, of the other cells 0.449'
    }
    by = 6.0 * schema.state_scale[1]
    wrong = of('c', state=lambda s: moved(s, 1, by))
    (found,) = run(schema, wrong).odd().items()
    assert found[0] == 'c' and schema.state_names[1] in found[1]
    old = of('d', image_stamps=lambda s: tuple(stamp - 3 * 10**8 for stamp in s.image_stamps))
    (found,) = run(schema, old).odd().items()
    assert found[0] == 'd' and found[1].startswith('age of the images of wrist_camera is 0.3')


def test_a_wrong_clock_is_named_but_not_steps_that_waited_for_the_link(schema):
    late = {('a', number): -20.0 for number in range(8)}
    (found,) = run(schema, late=late).odd().items()  # its clock is 20 s ahead
    assert found == (
        'a',
        'clock of the learner minus that of the cell is -20, of the other cells 0.05',
    )
    assert run(schema, late={('a', number): 60.0 for number in range(3)}).odd() == {}


def test_two_cells_and_few_episodes_say_nothing_and_an_excluded_one_is_no_measure(schema):
    dark = of('b', images=lambda s: tuple(image // 3 for image in s.images))
    assert run(schema, dark, cells='ab').odd() == {}
    assert run(schema, dark, episodes=4).odd() == {}
    fleet = run(schema, dark, cells='abc')
    assert set(fleet.odd()) == {'b'} and set(fleet.odd(excluded={'b'})) == {'b'}
    assert fleet.odd(excluded={'a'}) == {}  # one other is left
    assert fleet.episodes() == {'a': 8, 'b': 8, 'c': 8}


def test_the_list_of_excluded_cells_may_change_and_a_bad_one_changes_nothing(tmp_path):
    lines = []
    file = tmp_path / 'excluded'
    cells = ExcludedCells(file, lines.append)
    assert cells.read() == frozenset() and lines == []
    file.write_text('b\n\n c \n')
    assert cells.read() == {'b', 'c'} and len(lines) == 2
    file.write_bytes(bytes(1 << 17))
    assert cells.read() == cells.read() == {'b', 'c'} and len(lines) == 3
    file.write_text('c\n')
    assert cells.read() == {'c'} and 'cell b is not excluded any more' in lines[-1]
    assert ExcludedCells(None, lines.append).read() == frozenset()
