"""Raw recordings during which the clock was set: cut there, and nothing else is lost or mixed."""

from dataclasses import replace

from learner_support import raw_cell
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin

from hilserl_core.bags.episode_bag import Bag, bags_by_time
from hilserl_core.contract.tasks import make_task
from hilserl_learner.importing.importer import import_bag
from so101_description.kinematics import Kinematics
from so101_description.model import model_hash

pytestmark = pytest.mark.slow

TICK = raw_cell.TICK
LENGTH, BEFORE = 40, 20  # ticks of an episode; of the first one before the clock is set
SET_AT = raw_cell.START + (25 + BEFORE) * TICK - TICK // 3
STEPS = (-3600.0, 3600.0, -1.0, -20.0, 3e8)  # s; in 1.0 s, both parts have the same times
TASK = make_task('grasp_lift', model_hash())


@pytest.fixture(scope='module')
def recording():
    """With a reward at each tick, as the simulated cell sends it."""
    made = raw_cell.make(TASK, Kinematics(), length=LENGTH)
    ticks = [(stamp - 2000, (0.0, False)) for stamp, (_, name) in made.streams['status'] if name]
    made.streams['rewards'] = sorted(made.streams['rewards'] + ticks)
    return made


def import_of(recording, step, tmp_path, **options):
    """Import it with a clock that is set by `step` s at SET_AT; return report and episodes."""
    raw_cell.write(
        tmp_path / 'bag',
        recording,
        clock=lambda ns: ns + round(step * 1e9) * (ns >= SET_AT),
        **options,
    )
    report = import_bag(tmp_path / 'bag', TASK, tmp_path / 'out')
    found = [list(Bag(path).steps()) for path in bags_by_time(tmp_path / 'out')]
    return report, {steps[0].episode_id: steps for steps in found}


def actions(steps):
    return np.array([step.action for step in steps if not step.last])


@pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize('step', STEPS)
def test_an_episode_is_cut_where_the_clock_was_set(recording, step, plugin, tmp_path):
    report, found = import_of(recording, step, tmp_path, plugin=plugin)
    (note,) = [note for note in report.notes if 'the clock was set' in note]
    assert f'{"forward" if step > 0 else "back"} by {abs(step):,.0f}'[:10] in note
    assert set(found) == {'episode-0', 'episode-0-after-clock-step', 'episode-1'}
    executed = recording.executed['episode-0']
    first, second = actions(found['episode-0']), actions(found['episode-0-after-clock-step'])
    assert BEFORE - 2 <= len(first) <= BEFORE
    assert len(executed) - BEFORE - 2 <= len(second) <= len(executed) - BEFORE
    assert np.abs(first - executed[: len(first)]).max() < 1e-4
    assert np.abs(second - executed[-len(second) :]).max() < 1e-4
    assert np.abs(actions(found['episode-1']) - recording.executed['episode-1']).max() < 1e-4
    for steps in found.values():
        stamps = [each.stamp for each in steps]
        assert (np.abs(np.diff(stamps) - TICK) < TICK // 2).all()
        assert steps[-1].last and steps[-2].terminated | steps[-2].truncated


@pytest.mark.parametrize('step', STEPS)
def test_without_marks_the_parts_are_not_mixed_and_the_time_between_takes_no_memory(
    recording, step, tmp_path
):
    report, found = import_of(recording, step, tmp_path, drop=('status',))
    assert any('the clock was set' in note for note in report.notes)
    assert len(found) == 3 and report.steps < 200
    for steps in found.values():
        assert np.abs(np.diff([each.stamp for each in steps]) - TICK).max() < TICK // 2


def test_a_part_without_an_outcome_is_left_out_and_told(recording, tmp_path):
    rewards = [each for each in recording.streams['rewards'] if each[0] >= SET_AT]
    without = replace(recording, streams={**recording.streams, 'rewards': rewards})
    report, found = import_of(without, -3600.0, tmp_path)
    assert set(found) == {'episode-0-after-clock-step', 'episode-1'}
    assert 'episode episode-0 has no outcome before the clock was set' in '; '.join(report.notes)


def test_the_clock_of_one_publisher_cuts_too(recording, tmp_path):
    """Only the stamps of the camera change, as from a computer of its own."""
    raw_cell.write(
        tmp_path / 'bag',
        recording,
        clock_of=lambda name, ns: ns + 3600 * 10**9 * (name == 'images' and ns >= SET_AT),
    )
    report = import_bag(tmp_path / 'bag', TASK, tmp_path / 'out')
    assert any('the clock was set' in note for note in report.notes)
    (steps,) = [list(Bag(path).steps()) for path in bags_by_time(tmp_path / 'out')]
    assert len(steps) <= BEFORE + 1
