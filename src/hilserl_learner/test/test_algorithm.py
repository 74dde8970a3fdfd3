"""Algorithms by name: the protocol, the class in docs/howto/algorithm.md, and SAC."""

from dataclasses import replace
from pathlib import Path
import re
import sys

from learner_support.running_learner import OPTIONS, Cell, episode
from learner_support.small_agent import SMALL, parameters, random_batch
from learner_support.trainer_states import trainer_state
import numpy as np
import pytest
import torch

from hilserl_core.policy.bundle import Bundle
from hilserl_core.policy.inference import Policy
from hilserl_learner.agent import drqv2, sac
from hilserl_learner.agent.algorithm_name import MEMBERS, import_algorithm
from hilserl_learner.agent.config import ALGORITHMS, SacConfig, agent_config, class_name
from hilserl_learner.training.checkpoints import Checkpoints, Snapshot, load, restore
from hilserl_learner.training.options import LearnerNodeOptions
from hilserl_learner.training.resume import make_algorithm
from hilserl_learner.training.warm_start import adopt_policy
from so101_node.errors import CellError

PAGE = Path(__file__).parents[3] / 'docs' / 'howto' / 'algorithm.md'
SMALL_SAC = SacConfig(network=SMALL.network, conv_dtype='float32')


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder of modules of one's own; returns a function that writes one."""
    monkeypatch.syspath_prepend(tmp_path / 'mine')
    (tmp_path / 'mine').mkdir()
    written = []

    def write(name, text):
        written.append(name)
        (tmp_path / 'mine' / f'{name}.py').write_text(text)

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture
def example(mine):
    (text,) = re.findall(r'^```python\n(.*?)^```', PAGE.read_text('utf-8'), re.M | re.S)
    assert len(text.splitlines()) <= 60
    mine('cloning', text)
    return 'cloning:Cloning'


def test_each_named_set_names_a_class_that_has_the_protocol():
    for name, config in ALGORITHMS.items():
        found = import_algorithm(class_name(name))
        assert found.CONFIG is type(config) and class_name(name) == config.algorithm


BROKEN = 'import json.nothing'
MISSING = (
    'from hilserl_learner.agent.algorithm import Algorithm\nclass Half(Algorithm):\n    pass\n'
)
LATE = 'raise ZeroDivisionError("by zero")'


@pytest.mark.parametrize(
    'name, sentence',
    [
        ('sacc', 'it is one of cell, drqv2, sac, or package.module:Class'),
        ('os.system("x"):a', 'which has not the form package.module:Class'),
        ('..cloning:Cloning', 'which has not the form package.module:Class'),
        ('nowhere.cloning:Cloning', 'there is no module nowhere; install its package into .venv'),
        ('broken:Cloning', "broken cannot be imported: No module named 'json.nothing'"),
        ('late:Cloning', 'late cannot be imported: ZeroDivisionError: by zero'),
        ('half:Hallf', 'half has no class Hallf; did you mean Half?'),
        ('os:path', 'os has no class path'),
        ('half:Half', 'class Half lacks CONFIG, __init__, modules, optimizers, policy, update; '),
        ('numbers:Number', 'class Number lacks CONFIG, act, keep_start, load_state, '),
    ],
)
def test_a_wrong_name_is_one_sentence(mine, name, sentence):
    mine('broken', BROKEN), mine('half', MISSING), mine('late', LATE)
    with pytest.raises(CellError) as error:
        agent_config(name)
    assert sentence in str(error.value) and '\n' not in str(error.value)


def test_numbers_that_are_no_configuration_are_refused(mine):
    members = ''.join(f'    {each} = dict\n' for each in MEMBERS)
    mine('odd', f'class Odd:\n{members}')
    with pytest.raises(CellError, match="CONFIG is <class 'dict'>; it must be a dataclass"):
        agent_config('odd:Odd')


def test_the_numbers_of_a_class_are_options(example):
    config = agent_config(example, 'huber=0.5 hidden=32')
    assert (config.huber, config.network.hidden) == (0.5, 32)
    with pytest.raises(CellError, match='huber=3 is out of range: 0.01 to 2'):
        agent_config(example, 'huber=3')
    with pytest.raises(CellError, match='noise_clip=1. is not NAME=VALUE'):
        agent_config(example, 'noise_clip=1')


@pytest.mark.slow
def test_the_class_of_the_page_copies_the_human(example, schema):
    made = make_algorithm(
        schema,
        agent_config(example, 'hidden=32 frame_stack=2 learning_rate=0.003'),
        replace(OPTIONS, algorithm=example),
        print,
    )
    batch = random_batch(schema)
    losses = [float(made.update(batch, 0.1)['bc_loss']) for _ in range(40)]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.slow
def test_the_class_of_the_page_is_trained_published_and_resumed(example, schema, tmp_path):
    options = replace(OPTIONS, algorithm=example, agent_options='hidden=32 learning_rate=0.003')
    cell = Cell(schema, tmp_path / 'run', options)
    cell.feed(*(step for name in 'ab' for step in episode(schema, name, 30)))
    cell.wait(lambda: cell.learner.trainer.updates > 30)
    cell.close()
    assert not cell.errors
    metrics = cell.learner.trainer.metrics
    assert metrics['bc_loss'] > 0.0 and 'q_bound' not in metrics
    bundle = Bundle.from_bytes(cell.published[-1][0])
    assert bundle.algorithm == example
    action = Policy(bundle).act([np.zeros((64, 64, 3), np.uint8)], np.zeros(19), 0.0, None)
    assert action.shape == (4,)
    checkpoint = Checkpoints(tmp_path / 'run' / 'checkpoints').newest()[0]
    assert checkpoint.state.algorithm == example
    again = Cell(schema, tmp_path / 'run', options).close()
    assert again.learner.trainer.updates >= checkpoint.state.updates > 30
    with pytest.raises(CellError, match='a class of your own; give it again'):
        LearnerNodeOptions.kept_settings(tmp_path / 'run', set())
    kept = LearnerNodeOptions.kept_settings(tmp_path / 'run', {'algorithm'})
    assert kept['agent_options'] == options.agent_options


def test_an_algorithm_that_acts_otherwise_than_the_arm_is_refused(example, mine, schema):
    mine(
        'other',
        'from cloning import Cloning\nclass Other(Cloning):\n'
        '    def act(self, images, state):\n        return -super().act(images, state) + 0.5\n',
    )
    config = agent_config('other:Other', 'hidden=32')
    with pytest.raises(CellError, match='act does not return the action that the arm would'):
        make_algorithm(schema, config, replace(OPTIONS, algorithm='other:Other'), print)


@pytest.mark.parametrize('writer, reader', [(drqv2, sac), (sac, drqv2)])
def test_a_checkpoint_and_a_policy_of_another_algorithm_are_refused(
    schema, tmp_path, writer, reader
):
    configs = {drqv2: SMALL, sac: SMALL_SAC}
    one, other = writer.Agent(schema, configs[writer]), reader.Agent(schema, configs[reader])
    saved = Checkpoints(tmp_path).save(Snapshot.of(one), trainer_state(1))
    sentence = f'made by algorithm {writer.__name__}:Agent, not by {reader.__name__}:Agent'
    with pytest.raises(CellError, match=f'^checkpoint .* was {sentence}'):
        restore(other, load(saved))
    for path in (saved, saved / 'policy.safetensors'):
        with pytest.raises(CellError, match=f'^pretrained policy .* was {sentence}'):
            adopt_policy(other, path)


def test_sac_moves_every_parameter_in_one_update(schema):
    agent = sac.Agent(schema, SMALL_SAC)
    before = parameters(agent)
    metrics = agent.update(random_batch(schema), 0.1, 1.0, detailed=True)
    after = parameters(agent)
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    assert all(value.isfinite() and not value.requires_grad for value in metrics.values())


def test_sac_s_density_is_that_of_a_squashed_gaussian(schema):
    """Against torch's own distributions."""
    agent, batch = sac.Agent(schema, SMALL_SAC), random_batch(schema)
    features = agent.encoder(batch.images).detach()
    with torch.no_grad():
        action, found = agent.sample(features, batch.state)
        mean = agent.actor.policy(agent.actor.trunk(features, batch.state))
        normal = torch.distributions.Normal(mean, agent.spread(features, batch.state).exp())
        squashed = torch.distributions.TransformedDistribution(
            normal, torch.distributions.TanhTransform()
        )
        torch.testing.assert_close(
            found, squashed.log_prob(action.double()).sum(1).float(), atol=1e-3, rtol=1e-3
        )


def test_sac_continues_from_a_checkpoint_bit_for_bit(schema, tmp_path):
    straight = sac.Agent(schema, SMALL_SAC, seed=1)
    straight.update(random_batch(schema), 0.1, 1.0)
    saved = Checkpoints(tmp_path).save(Snapshot.of(straight), trainer_state(1))
    resumed = sac.Agent(schema, load(saved).config(SacConfig), seed=9)
    restore(resumed, load(saved))
    for agent in (straight, resumed):
        agent.update(random_batch(schema, number=2), 0.1, 1.0)
    ours, theirs = resumed.state(), straight.state()
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.parametrize('target, direction', [(-3.0, -1.0), (0.9, 1.0)])
def test_sac_s_temperature_falls_above_the_target_entropy_and_rises_below_it(
    schema, target, direction
):
    agent, batch = (
        sac.Agent(schema, replace(SMALL_SAC, target_entropy=target)),
        random_batch(schema),
    )
    found = [float(agent.update(batch, 0.1)['temperature']) for _ in range(5)]
    assert (np.diff(found) * direction > 0.0).all()


@pytest.mark.slow
def test_sac_with_a_high_temperature_acts_more_at_random(schema):
    batch = random_batch(schema)
    entropy = {}
    for temperature in (1e-6, 1.0):
        agent = sac.Agent(schema, replace(SMALL_SAC, temperature=temperature, learning_rate=0.003))
        entropy[temperature] = [float(agent.update(batch, 0.1)['entropy']) for _ in range(40)][-1]
    assert entropy[1.0] > entropy[1e-6] + 1.0


def test_sac_has_no_discrete_gripper(schema):
    network = replace(SMALL.network, gripper='discrete')
    with pytest.raises(CellError, match='sac has no discrete gripper'):
        sac.Agent(schema, replace(SMALL_SAC, network=network))
