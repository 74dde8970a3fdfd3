"""The update on another device than the processor: PyTorch's meta tensors, which have no numbers.

Beside them a tensor of the processor raises in most operations, and asking for a number in any.
"""

from contextlib import nullcontext
from dataclasses import replace
import sys

from learner_support.small_agent import SMALL, parameters, random_batch
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hilserl_learner.agent import drqv2
from hilserl_learner.agent.cuda_graph import EAGER_UPDATES, GraphedUpdate
from hilserl_learner.agent.drqv2 import Agent

pytestmark = pytest.mark.slow

AWAY = torch.device('meta')
GRIPPER = replace(SMALL, network=replace(SMALL.network, gripper='discrete'))
PIECES = [SMALL, GRIPPER, replace(SMALL, freeze_encoder=True)]


class Left(TorchDispatchMode):
    """Notes what is made on the processor, or brought there."""

    def __init__(self):
        super().__init__()
        self.operations = set()

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor) and value.device != AWAY:
                self.operations.add(str(function))
        return result


class Generator(torch.Generator):
    """One of the processor, whatever device it is asked for."""

    def __new__(cls, device='cpu'):
        return super().__new__(cls, 'cpu')


@pytest.fixture
def away(schema, monkeypatch):
    """Make agents there: of what such a device lacks, what does not matter is left out."""
    monkeypatch.setattr(torch, 'Generator', Generator)
    monkeypatch.setattr(torch, 'autocast', lambda *_, **__: nullcontext())
    monkeypatch.setattr(
        sys.modules[torch.optim.Adam.__module__],
        '_device_dtype_check_for_fused',
        lambda *_, **__: None,
    )
    return lambda config: Agent(schema, config, 'meta')


@pytest.mark.parametrize('config', PIECES, ids=['plain', 'gripper', 'frozen'])
def test_an_update_stays_on_its_device_and_does_not_wait_for_it(schema, config, away):
    agent, batch = away(config), random_batch(schema).to(AWAY)
    agent.update(batch, 0.1, 0.5)  # optimisers make their states
    with Left() as left:
        metrics = agent.update(batch, 0.1, 0.5, detailed=True)
        assert left.operations == set()
        torch.zeros(1)
    assert left.operations  # it would have been noticed
    assert {value.device for value in metrics.values()} == {AWAY}
    with pytest.raises(RuntimeError):
        float(metrics['critic_loss'])


def test_a_batch_on_the_wrong_device_is_an_error(schema, away):
    with pytest.raises(RuntimeError, match='not on the expected device|same device'):
        away(SMALL).eager_update(random_batch(schema), 0.1, 0.0, False)


@pytest.mark.parametrize('config', [SMALL, GRIPPER], ids=['plain', 'gripper'])
def test_graphed_updates_equal_eager_updates(schema, config):
    """All but the capture itself: here a replay calls the body again."""
    plain, graphed = Agent(schema, config, seed=1), Agent(schema, config, seed=1)
    replays = []

    def capture(body):
        place = []  # a replay leaves its result where the first one was

        def replay():
            replays.append(body)
            result = body()
            place.append(result)
            return place[0].copy_(result)

        return replay

    update = GraphedUpdate(graphed.eager_update, capture, torch.device('cpu'), print)
    kept = []
    for number in range(EAGER_UPDATES + 3):
        batch = random_batch(schema, number=number)
        sigma, bc = 0.1 / (number + 1), 0.2 * number
        pretrains = number % 2 == 0  # the weight of Q is read at each replay, too
        train = plain.pretrain if pretrains else plain.update
        expected = train(batch, sigma, bc, detailed=True)
        kept.append((update(batch, sigma, bc, 0.0 if pretrains else 1.0), expected))
        for image in batch.images:
            image.zero_()  # its memory is used again for another batch
    assert len(replays) == 3
    for ours, expected in kept:  # figures of earlier ones are not overwritten
        assert ours.keys() == expected.keys()
        assert all(float(ours[name]) == float(expected[name]) for name in expected)
    a, b = parameters(plain), parameters(graphed)
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


def test_if_graph_capture_fails_it_is_logged_once_and_updates_run_eagerly(schema):
    plain, other, logged = Agent(schema, SMALL, seed=1), Agent(schema, SMALL, seed=1), []

    def capture(body):
        raise RuntimeError('operation not permitted when stream is capturing')

    update = GraphedUpdate(other.eager_update, capture, torch.device('cpu'), logged.append)
    for number in range(EAGER_UPDATES + 2):
        batch = random_batch(schema, number=number)
        plain.update(batch, 0.1), update(batch, 0.1, 0.0)
    a, b = parameters(plain), parameters(other)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert len(logged) == 1 and 'not permitted' in logged[0] and 'slower' in logged[0]


def test_a_generator_that_a_failed_capture_keeps_is_replaced(schema, monkeypatch):
    agent = Agent(schema, SMALL, seed=1)
    before, state = agent.generator, agent.generator.get_state()

    def capture(body, generator):
        generator.manual_seed(5)
        raise RuntimeError('in capture mode')

    monkeypatch.setattr(drqv2, 'cuda_graph', capture)
    with pytest.raises(RuntimeError):
        agent._capture(lambda: torch.zeros(1))
    assert agent.generator is not before
    assert torch.equal(agent.generator.get_state(), state)
