"""Training on labelled episodes, its report on held-out ones, and the detector's file."""

from dataclasses import replace

import numpy as np
import pytest
from reward_support import LENGTH, episode, twelve, write
import safetensors.torch
import torch

from hilserl_core.bags.labels import Label, add_label
from hilserl_core.contract.steps import Outcome
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_core.policy.networks import Encoder
from hilserl_reward.detector import SuccessDetector
from hilserl_reward.episode_report import report_on
from hilserl_reward.labelled import read_labelled
from hilserl_reward.training import TrainingOptions, judged, train
from so101_node.errors import CellError

pytestmark = pytest.mark.slow
OPTIONS = TrainingOptions(updates=60, config=NetworkConfig(channels=8, strides=(2, 2, 2, 1)))


@pytest.fixture(scope='module')
def bags(schema, tmp_path_factory):
    return write(tmp_path_factory.mktemp('reward') / 'bags', schema, twelve(schema))


@pytest.fixture(scope='module')
def found(bags):
    return read_labelled([str(bags)], bags, reaction=0.2)


@pytest.fixture(scope='module')
def trained(found):
    return train(found, OPTIONS)


def others(schema, tmp_path, change=lambda image: image):
    """Whole episodes that were not trained on, with the exact moments."""
    episodes = [episode(schema, number, number % 2 == 0) for number in range(100, 106)]
    for steps in episodes:
        for number, step in enumerate(steps):
            steps[number] = replace(step, images=tuple(change(image) for image in step.images))
    write(tmp_path / 'b', schema, episodes)
    for number in range(100, 106, 2):
        stamp = episodes[number - 100][18].stamp
        add_label(tmp_path / 'b' / f'e{number}', Label(Outcome.SUCCESS, stamp))
    return read_labelled([str(tmp_path / 'b')], tmp_path, margin=0.3).episodes


def test_it_sees_success_in_episodes_that_it_has_not_seen(trained, schema, tmp_path):
    detector = trained.detector
    assert trained.report.problems() == []
    traces = judged(detector, others(schema, tmp_path))
    report = report_on(traces, detector.settings.threshold, detector.rule, 0.3)
    assert (report.recall, report.false) == (1.0, 0)
    assert 0 <= report.delay(50) <= 3


def test_frames_unlike_the_training_are_not_sure_and_give_no_reward(trained, schema, tmp_path):
    detector = trained.detector
    traces = judged(detector, others(schema, tmp_path, lambda image: 0 * image))
    assert np.mean([trace.sure.mean() for trace in traces]) < 0.05
    report = report_on(traces, detector.settings.threshold, detector.rule)
    assert report.right == report.false == 0
    assert any('unlike its training' in each for each in report.problems())


def test_live_and_in_a_report_it_says_the_same(trained, schema):
    detector, steps = trained.detector, episode(schema, 200, True)
    rewarded = None
    for index, step in enumerate(steps):
        seen = detector.see(step.episode_id, step.images, step.state)
        rewarded = index if seen.reward and rewarded is None else rewarded
    assert 18 < rewarded <= 21
    assert not detector.see('another', steps[-1].images, steps[-1].state).reward
    assert detector.see('another', steps[-1].images, steps[-1].state).reward


def test_the_same_seed_gives_the_same_detector(found, trained):
    assert train(found, OPTIONS).detector.version == trained.detector.version


def changed(found, change):
    return replace(found, episodes=[change(each) for each in found.episodes])


def inverted(each):
    """The episode with the other outcome, as if the keys were swapped."""
    labels = np.zeros_like(each.labels)
    if each.succeeded:
        return replace(each, labels=labels, moment=None)
    labels[-13:] = -1
    labels[-3:] = 1
    return replace(each, labels=labels, moment=len(each) - 3)


def early(each):
    """The episode with its moment of success labelled 1.2 s too early."""
    if not each.succeeded:
        return each
    moment = each.moment - 12
    labels = np.zeros_like(each.labels)
    labels[max(0, moment - 4) :] = -1
    labels[moment:] = 1
    return replace(each, labels=labels, moment=moment)


@pytest.mark.parametrize('change', [inverted, early])
def test_wrong_labels_are_caught_by_the_report(found, change):
    problems = train(changed(found, change), OPTIONS).report.problems()
    assert any('labels' in each for each in problems)


def test_an_encoder_that_is_given_stays_as_it_is(found, schema):
    torch.manual_seed(3)
    encoder = Encoder(schema, OPTIONS.config)
    detector = train(found, replace(OPTIONS, updates=5, encoder=encoder)).detector
    kept = detector.network.encoder.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in encoder.state_dict().items())
    assert detector.settings.features == 'encoder'


def test_a_detector_read_from_its_file_says_the_same(trained, schema, tmp_path):
    path = tmp_path / 'new' / 'lift.safetensors'
    trained.detector.save(path)
    read = SuccessDetector.load(path, schema)
    assert read.version == trained.detector.version and read.settings == trained.detector.settings
    steps = episode(schema, 300, True)
    images, states = [np.stack([s.images[0] for s in steps])], np.stack([s.state for s in steps])
    for ours, theirs in zip(trained.detector.scores(images, states), read.scores(images, states)):
        assert np.array_equal(ours, theirs)
    assert not list(path.parent.glob('*.new'))


def refused(path, data, schema=None):
    path.write_bytes(data)
    with pytest.raises(CellError) as error:
        SuccessDetector.load(path, schema)
    assert str(path) in str(error.value) and '\n' not in str(error.value)
    return str(error.value)


def test_what_is_no_detector_of_this_task_is_refused_in_one_sentence(trained, schema, tmp_path):
    path, data = tmp_path / 'x.safetensors', trained.detector.to_bytes()
    assert 'is for another task; rate: 20.0 here, 10.0 there' in refused(
        path, data, replace(schema, rate=20.0)
    )
    cameras = (replace(schema.cameras[0], name='front_camera'),)
    assert "cameras: (CameraSpec(name='front_camera'" in refused(
        path, data, replace(schema, cameras=cameras)
    )
    assert 'damaged' in refused(path, data[:-100])
    assert 'damaged' in refused(path, b'')
    assert 'damaged' in refused(path, data[:-4] + b'\0\0\x80?')  # another weight
    assert 'format' in refused(path, safetensors.torch.save({}, {'format': 'other'}))
    with pytest.raises(CellError, match='success detector .*none cannot be read'):
        SuccessDetector.load(tmp_path / 'none')


def packed(detector, **changes):
    """The bytes of a detector's file with other metadata or tensors, and a digest that fits."""
    from hilserl_core.policy.bundle import tensors_digest
    from hilserl_core.policy.safetensors_header import safetensors_metadata

    data = detector.to_bytes()
    tensors = safetensors.torch.load(data) | changes.pop('tensors', {})
    metadata = safetensors_metadata(data) | {'digest': tensors_digest(tensors)} | changes
    return safetensors.torch.save(tensors, {k: v for k, v in metadata.items() if v is not None})


@pytest.mark.parametrize(
    'changes, sentence',
    [
        ({'golden': '99.0'}, 'golden logit is off by'),
        ({'golden': 'nan'}, 'golden logit is off by'),
        ({'schema': None}, 'it has no task'),
        ({'settings': '{}'}, 'its settings are damaged'),
        ({'network': '{"channels": 100000}'}, 'channels:=100000 is out of range'),
        ({'tensors': {'extra': torch.zeros(1)}}, 'do not fit its own configuration'),
        ({'tensors': {'familiarity.mean': torch.zeros(3)}}, 'do not fit its own configuration'),
        ({'tensors': {'network.output.bias': torch.tensor([float('nan')])}}, 'not finite'),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(trained, tmp_path, changes, sentence):
    assert sentence in refused(tmp_path / 'x.safetensors', packed(trained.detector, **changes))


@pytest.mark.timing
def test_a_frame_takes_less_than_5_ms_on_one_core(trained, schema):
    import time

    steps = episode(schema, 400, True, LENGTH)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        began = time.process_time()
        for number in range(100):
            step = steps[number % LENGTH]
            trained.detector.see('e', step.images, step.state)
        assert (time.process_time() - began) / 100 < 0.005
    finally:
        torch.set_num_threads(threads)
