"""Batches that are sampled ahead equal those that are not."""

import threading

from learner_support.numbered_steps import episode
import numpy as np
import pytest
import torch

from hilserl_learner.replay.buffer import Replay
from hilserl_learner.replay.prefetch import Batches
from so101_node.errors import CellError

CPU = torch.device('cpu')


@pytest.fixture
def replay(schema):
    replay = Replay(schema, 200, frame_stack=2)
    rng = np.random.default_rng(0)
    for number in range(3):
        for step in episode(schema, f'e{number}', 15, terminated=True):
            step.images[0][:] = rng.integers(0, 256, step.images[0].shape, np.uint8)
            step.state[:] = rng.normal(size=19)
            assert replay.add(step) == ''
    return replay


def states(batches, count):
    found = []
    for _ in range(count):
        with batches.next() as batch:
            found.append(batch.state.clone())
    return found


def same(ours, theirs):
    return len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))


def test_batches_are_the_same_with_and_without_prefetch(replay):
    ahead, plain = (
        Batches(replay, np.random.default_rng(1), 8, CPU, ahead) for ahead in (True, False)
    )
    assert same(states(ahead, 5), states(plain, 5))
    ahead.close()


def test_a_checkpoint_continues_with_the_first_unused_batch(replay):
    straight = Batches(replay, np.random.default_rng(1), 8, CPU, ahead=True)
    states(straight, 3)
    rng = np.random.default_rng(9)
    rng.bit_generator.state = straight.rng_state
    resumed = Batches(replay, rng, 8, CPU, ahead=True)
    assert same(states(resumed, 3), states(straight, 3))
    straight.close(), resumed.close()


def test_the_next_batch_is_sampled_during_the_update(replay):
    batches, drawn = Batches(replay, np.random.default_rng(1), 8, CPU, ahead=True), []
    gather = replay.gather
    replay.gather = lambda *a: (drawn.append(threading.current_thread().name), gather(*a))[1]
    with batches.next():
        pass
    assert drawn[0] == threading.current_thread().name and drawn[1].startswith('loader')
    with batches.next():
        pass
    assert len(drawn) == 3
    batches.close()


def test_a_deleted_episode_is_not_in_a_batch_that_was_sampled_ahead(replay, schema):
    batches = Batches(replay, np.random.default_rng(1), 64, CPU, ahead=True)
    states(batches, 1)
    replay.delete_episode('e0')
    before = batches.rng_state
    batches.discard_ahead()
    assert batches.rng_state == before  # as though it had never been drawn
    kept = replay.gather(replay._valid.members().astype(np.int64)).state
    with batches.next() as batch:
        assert all((kept == state).all(1).any() for state in batch.state)
    batches.close()


def test_an_error_while_sampling_ahead_is_raised_at_the_next_batch(replay):
    batches = Batches(replay, np.random.default_rng(1), 8, CPU, ahead=True)
    states(batches, 1)
    replay.gather = None
    states(batches, 1)  # was drawn before
    with pytest.raises(TypeError), batches.next():
        pass
    batches.close()


def test_an_empty_replay_raises_one_sentence(schema):
    batches = Batches(Replay(schema, 10), np.random.default_rng(0), 8, CPU)
    with pytest.raises(CellError, match='no transition yet'), batches.next():
        pass


def test_a_batch_can_reuse_memory(replay):
    slots = replay._valid.members()[:6].astype(np.int64)
    memory = replay.allocate(6)
    again = replay.gather(slots, memory)
    assert again is memory
    fresh = replay.gather(slots)
    for name in ('state', 'action', 'reward', 'discount', 'next_state', 'human'):
        assert torch.equal(getattr(memory, name), getattr(fresh, name)), name
    assert torch.equal(memory.images[0], fresh.images[0])
    assert torch.equal(memory.next_images[0], fresh.next_images[0])
    before = memory.images[0].data_ptr()
    assert replay.gather(slots[::-1].copy(), memory).images[0].data_ptr() == before
    assert torch.equal(memory.images[0], fresh.images[0].flip(0))
