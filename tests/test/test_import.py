"""A raw recording of the simulated cell imports to the actions that were executed."""

import numpy as np
import pytest

from hilserl_core.bags.episode_bag import Bag, bags_by_time
from hilserl_core.contract.tasks import make_task
from hilserl_learner.importing.importer import import_bag
from hilserl_tests import raw_recorder
from hilserl_tests.cell_process import CellProcess, own_domain
from so101_description.model import model_hash
from so101_node.names import JOINT_COMMANDS, STEP

pytestmark = pytest.mark.graph

SECONDS = 20.0


def steps_by_episode(out):
    """Return {episode id: its steps with an action} of all bags in a directory."""
    found = {}
    for bag in bags_by_time(out):
        steps = [step for step in Bag(bag).steps() if not step.last]
        if steps:  # an episode that was aborted at once has none
            found[steps[0].episode_id] = steps
    return found


def import_and_compare(bag, executed, out):
    """Return the median difference of imported and executed actions over their median size."""
    report = import_bag(bag, make_task('grasp_lift', model_hash()), out, 'exclude')
    differences, magnitudes, unmatched = [], [], 0
    for name, steps in steps_by_episode(out).items():
        for step in steps:
            live = min(
                executed.get(name, ()), key=lambda s: abs(s.stamp - step.stamp), default=None
            )
            if live is None or abs(live.stamp - step.stamp) > 5e7:
                unmatched += 1  # executed, but dropped because the next observation was late
                continue
            differences.append(np.linalg.norm(live.action - step.action))
            magnitudes.append(np.linalg.norm(live.action))
    assert len(differences) >= max(20, 4 * unmatched), report.data()
    ratio = np.median(differences) / np.median(magnitudes)
    print(
        f'{bag.name}: {len(differences)} steps, actions from {", ".join(report.actions_from)}, '
        f'median difference {100 * ratio:.2f} % of the action'
    )
    return ratio


def test_a_raw_recording_of_the_cell_imports_to_the_executed_actions(tmp_path, monkeypatch):
    # do not record the steps: the importer must compute them
    monkeypatch.setattr(raw_recorder, 'TOPICS', [t for t in raw_recorder.TOPICS if t[0] != STEP])
    with own_domain() as environment:
        cell = CellProcess(
            ['record', 'run:=raw', 'console:=false', f'runs_dir:={tmp_path}'], environment
        )
        cell.wait_for('READY -> HUMAN', 60)
        counts = raw_recorder.record(tmp_path / 'recording', SECONDS)
        cell.interrupt()
    assert min(counts.values()) > 0, counts
    executed = steps_by_episode(tmp_path / 'raw' / 'bags')
    assert import_and_compare(tmp_path / 'recording', executed, tmp_path / 'out') < 0.05
    bare = raw_recorder.without(
        tmp_path / 'recording', [JOINT_COMMANDS.format(arm='follower')], tmp_path / 'no_commands'
    )
    assert import_and_compare(bare, executed, tmp_path / 'out-bare') < 0.05
