"""The curves of a run: tags, descriptions, layout, images, and where they go."""

from dataclasses import replace
from importlib.util import find_spec
import sys
from types import SimpleNamespace

from learner_support.running_learner import OPTIONS, Cell, episode
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2

from hilserl_core.contract.steps import Outcome, Source
from hilserl_learner.training.curve_tags import EPISODE, IMAGES, LAYOUT, UPDATES
from hilserl_learner.training.curves import Curves, NoBackend, open_curves
from hilserl_learner.training.episode_summary import EpisodeSummary
from hilserl_learner.training.loggers import LOGGERS, require_logger
from hilserl_learner.training.options import LearnerOptions
from so101_node.errors import CellError


def events_of(directory):
    found = EventAccumulator(
        str(directory), size_guidance={'scalars': 0, 'images': 0, 'tensors': 0}
    )
    return found.Reload()


@pytest.fixture
def board(schema, tmp_path):
    """The events of a short run: an episode with help, one without, and updates."""
    cell = Cell(schema, tmp_path / 'run', OPTIONS)
    cell.feed(*episode(schema, 'helped', 12))
    for step in episode(schema, 'alone', 12, start=50):
        cell.feed(step if step.last else replace(step, source=Source.POLICY))
    cell.wait(lambda: cell.learner.trainer.updates > 3)
    cell.close()
    return events_of(tmp_path / 'run' / 'tensorboard')


def test_success_alone_and_with_help_are_curves_of_their_own(board):
    def values(name):
        return [(e.step, e.value) for e in board.Scalars(EPISODE[name].tag)]

    assert values('success_alone') == [(12, 0.0), (24, 1.0)]
    assert values('success_with_help') == [(12, 1.0), (24, 0.0)]
    assert values('success_alone_last_20') == [(12, 0.0), (24, 0.5)]
    assert not {'success', 'success_alone_last_20'} & {
        tag.rpartition('/')[2] for tag in board.Tags()['scalars']
    }


def test_each_curve_has_a_group_and_its_first_point_a_description(board):
    tags = board.Tags()['scalars']
    known = {curve.tag: curve.text for curve in (*EPISODE.values(), *UPDATES.values())}
    assert {'loss/critic_loss', 'value/q_mean', 'schedule/sigma'} <= set(tags) <= set(known)
    for tag in tags:
        assert board.SummaryMetadata(tag).summary_description == known[tag], tag


def test_the_layout_has_only_curves_that_there_are(board):
    layout = layout_pb2.Layout.FromString(
        board.Tensors('custom_scalars__config__')[0].tensor_proto.string_val[0]
    )
    shown = {
        tag for page in layout.category for chart in page.chart for tag in chart.multiline.tag
    }
    assert shown == {tag for page in LAYOUT.values() for tags in page.values() for tag in tags}
    assert shown <= {curve.tag for curve in (*EPISODE.values(), *UPDATES.values())}


def test_the_images_show_what_the_policy_sees_from_the_first_step_to_the_last(board):
    (tag,) = board.Tags()['images']
    assert tag == IMAGES
    image = board.Images(tag)[0]  # the second episode ended less than 30 s later
    assert (image.height, image.width) == (64, 8 * 64) and len(board.Images(tag)) == 1


def test_without_a_logger_no_curve_is_written_and_learning_is_the_same(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, logger='none'))
    cell.feed(*episode(schema, 'a', 12))
    cell.wait(lambda: cell.learner.trainer.updates > 1)
    cell.close()
    assert list((tmp_path / 'run' / 'tensorboard').iterdir()) == [] and not cell.errors


def test_a_logger_that_is_not_installed_is_refused_with_its_package(monkeypatch):
    monkeypatch.setattr('hilserl_learner.training.loggers.find_spec', lambda name: None)
    for logger in ('wandb', 'trackio'):
        with pytest.raises(CellError, match=f'pip install {logger}'):
            LearnerOptions(logger=logger).check()
    require_logger('tensorboard')
    require_logger('none')
    assert LOGGERS == ('tensorboard', 'wandb', 'trackio', 'none')


RECORDER = """
calls = []
def init(**values): calls.append(('init', values['project'], values['name'], values['config']))
def log(values): calls.append(('log', values))
def finish(): calls.append(('finish',))
class Image:
    def __init__(self, array): self.shape = array.shape
"""


def test_wandb_and_trackio_get_the_same_curves_by_the_functions_that_both_have(
    schema, tmp_path, monkeypatch
):
    """With a module of these functions; the real ones are no part of this suite."""
    (tmp_path / 'trackio.py').write_text(RECORDER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, 'trackio', raising=False)
    assert find_spec('trackio')
    curves = open_curves('trackio', tmp_path, 'lift', {'seed': 3})
    for step in episode(schema, 'a', 12):
        curves.step(step)
    curves.episode(EpisodeSummary('', Outcome.SUCCESS, 12, 0), 0.5, 12)
    curves.updates({'critic_loss': 0.25, 'success_alone_last_20': 0.5}, 7)
    curves.close()
    calls = sys.modules['trackio'].calls
    monkeypatch.delitem(sys.modules, 'trackio')
    assert calls[0] == ('init', 'so101-hilserl', 'lift', {'seed': 3})
    logged = [call[1] for call in calls if call[0] == 'log']
    assert {'success/alone': 1.0, 'steps': 12} in logged
    assert {'success/alone_last_20': 0.5, 'steps': 12} in logged
    assert {'loss/critic_loss': 0.25, 'updates': 7} == logged[-1]
    assert [v[IMAGES].shape for v in logged if IMAGES in v] == [(64, 8 * 64, 3)]
    assert calls[-1] == ('finish',)


def test_cameras_with_images_of_different_widths_are_shown_one_below_the_other():
    class Pictures(NoBackend):
        def image(self, tag, image, at):
            shown.append(image)

    shown = []
    images = (np.full((32, 80, 3), 9, np.uint8), np.full((48, 64, 3), 7, np.uint8))
    curves = Curves(Pictures())
    for index in (0, 1):
        step = SimpleNamespace(episode_id='one', images=images, last=index == 1)
        curves.step(step)
    curves.episode(SimpleNamespace(counts=False), 0.0, 2)
    (strip,) = shown
    assert strip.shape == (80, 160, 3)
    assert (strip[:32] == 9).all() and (strip[32:, :64] == 7).all()
    assert (strip[32:, 64:80] == 0).all()
