"""A raw recording of the simulated cell imports to the actions that were executed."""
from hilserl_learner.bags import Bag, bags_by_time
from hilserl_learner.importing import import_bag
from hilserl_learner.tasks import make_task
from hilserl_tests import raw_recorder
from hilserl_tests.cell_process import CellProcess, own_domain
import numpy as np
from so101_description.model import model_hash
from so101_description.names import STEP

SECONDS = 20.0


def steps_by_episode(out):
    """{episode id: its acting steps} of all bags in a directory."""
    found = {}
    for bag in bags_by_time(out):
        steps = [step for step in Bag(bag).steps() if not step.last]
        found[steps[0].episode_id] = steps
    return found


def test_a_raw_recording_of_the_cell_imports_to_the_executed_actions(tmp_path, monkeypatch):
    # the steps themselves are left out: the importer has to make them anew
    monkeypatch.setattr(
        raw_recorder, 'TOPICS', [t for t in raw_recorder.TOPICS if t[0] != STEP])
    with own_domain() as environment:
        cell = CellProcess(['record', 'run:=raw', f'runs_dir:={tmp_path}'], environment)
        cell.wait_for('READY -> HUMAN', 60)
        counts = raw_recorder.record(tmp_path / 'recording', SECONDS)
        cell.interrupt()
    assert min(counts.values()) > 0, counts
    report = import_bag(
        tmp_path / 'recording', make_task('grasp_lift', model_hash()), tmp_path / 'out',
        'exclude')
    executed = steps_by_episode(tmp_path / 'raw' / 'bags')
    differences, magnitudes, alone = [], [], 0
    for name, steps in steps_by_episode(tmp_path / 'out').items():
        for step in steps:
            live = min(executed[name], key=lambda s: abs(s.stamp - step.stamp))
            if abs(live.stamp - step.stamp) > 5e7:
                alone += 1      # executed, but what followed was seen too late to be stored
                continue
            differences.append(np.linalg.norm(live.action - step.action))
            magnitudes.append(np.linalg.norm(live.action))
    assert len(differences) >= max(20, 4 * alone), report.data()
    ratio = np.median(differences) / np.median(magnitudes)
    print(f'{len(differences)} steps, median difference {100 * ratio:.2f} % of the action')
    assert ratio < 0.05
