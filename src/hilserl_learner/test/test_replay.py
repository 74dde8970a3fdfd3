"""The replay against its plain reference implementation (slow_replay), and its limits."""

from dataclasses import replace
import sys
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from learner_support import slow_replay
from learner_support.numbered_steps import TICK, episode, make_step, tiny
import numpy as np
import pytest

from hilserl_core.contract.steps import Outcome, Source
from hilserl_learner.replay.buffer import FAILED, MAX_GAP, Replay, available_memory
from so101_node.errors import CellError

EVENT = st.fixed_dictionaries(
    {
        'writer': st.integers(0, 1),
        'what': st.sampled_from(
            ['step'] * 12
            + ['gap', 'pause', 'nan', 'again', 'terminated', 'truncated', 'mark', 'cut', 'delete']
        ),
        'human': st.booleans(),
        'reward': st.sampled_from([0.0, 1.0, -0.5, 0.25, None]),
    }
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    demonstrations=st.lists(EVENT, max_size=3),
    events=st.lists(EVENT, min_size=15, max_size=60),
    capacity=st.integers(14, 24),
    stack=st.integers(1, 4),
    n_step=st.integers(1, 4),
)
def test_replay_equals_its_reference_implementation(
    schema, demonstrations, events, capacity, stack, n_step
):
    schema = tiny(schema)
    replay = Replay(schema, capacity, stack, n_step, 0.9)
    number, adds, deletions, state, failed = 0, [], {}, {}, set()

    def add(step, demonstration):
        adds.append((step, demonstration))
        if replay.add(step, demonstration) == '' and step.outcome in FAILED:
            failed.add(step.episode_id)

    for event, demonstration in [(e, True) for e in demonstrations] + [(e, False) for e in events]:
        writer = (event['writer'], demonstration)
        serial, index, stamp = state.get(writer, (0, 0, TICK))
        what = event['what']
        name = f'{writer}-{serial}'
        if what == 'delete':
            replay.delete_episode(name)
            deletions.setdefault(len(adds) - 1, []).append(name)
            state[writer] = (serial + 1, 0, stamp)
            continue
        if what == 'cut':
            state[writer] = (serial + 1, 0, stamp)
            continue
        index += what == 'gap'
        index -= what == 'again' and index > 0
        stamp += 3 * TICK if what == 'pause' else TICK
        number += 1
        values = dict(
            stamp=stamp,
            reward=event['reward'],
            source=Source.HUMAN if event['human'] else Source.POLICY,
            terminated=what == 'terminated',
            truncated=what in ('truncated', 'mark'),
        )
        if what == 'nan':
            values['state'] = np.full(1, np.nan, np.float32)
        add(make_step(schema, number, name, index, **values), demonstration)
        state[writer] = (serial, index + 1, stamp)
        if what in ('terminated', 'truncated'):
            number += 1
            outcome = Outcome.TIMEOUT if what == 'truncated' else Outcome.SUCCESS
            last = make_step(
                schema, number, name, index + 1, stamp=stamp + TICK, last=True, outcome=outcome
            )
            add(last, demonstration)
            state[writer] = (serial + 1, 0, stamp + TICK)

    alive = slow_replay.kept(adds, deletions, capacity, schema)
    expected = slow_replay.transitions(alive, stack, n_step, 0.9, int(MAX_GAP * TICK), failed)
    members = replay._valid.members()
    assert len(members) == len(replay) == len(expected)
    batch = replay.gather(members.astype(np.int64))
    prior = set(replay._prior.members().tolist())
    for i, member in enumerate(members):
        frames, reward, discount, following, is_prior = expected[float(batch.state[i, 0])]
        assert tuple(batch.images[0][i, 0, 0, ::3].tolist()) == frames
        assert tuple(batch.next_images[0][i, 0, 0, ::3].tolist()) == following
        assert float(batch.next_state[i, 0]) % 256 == following[-1]
        assert float(batch.reward[i]) == pytest.approx(reward, abs=1e-5)
        assert float(batch.discount[i]) == pytest.approx(discount, abs=1e-5)
        assert (int(member) in prior) == is_prior == bool(batch.human[i])
        assert (int(member) in replay._online) != is_prior
    assert replay.prior_size == sum(e[-1] for e in expected.values())


def filled(schema, *episodes, **options):
    replay = Replay(schema, 1000, **options)
    for steps in episodes:
        for step in steps:
            assert replay.add(step) == ''
    return replay


def everything(replay):
    batch = replay.gather(np.sort(replay._valid.members()).astype(np.int64))
    return {float(s): i for i, s in enumerate(batch.state[:, 0])}, batch


def test_truncated_step_bootstraps_from_its_own_final_observation(schema):
    schema = tiny(schema)
    replay = filled(
        schema, episode(schema, 'a', 5, truncated=True), episode(schema, 'b', 5, first=100)
    )
    at, batch = everything(replay)
    assert batch.next_state[at[4.0]] == 5.0
    assert float(batch.discount[at[4.0]]) == pytest.approx(0.97)
    assert float(batch.reward[at[4.0]]) == 4.0
    assert batch.next_state[at[3.0]] == 5.0
    assert float(batch.reward[at[3.0]]) == pytest.approx(3 + 0.97 * 4)


def test_terminated_step_does_not_bootstrap_and_earlier_ones_see_its_reward(schema):
    schema = tiny(schema)
    at, batch = everything(filled(schema, episode(schema, 'a', 5, terminated=True)))
    assert float(batch.discount[at[4.0]]) == 0.0
    assert float(batch.discount[at[2.0]]) == 0.0
    assert float(batch.reward[at[2.0]]) == pytest.approx(2 + 0.97 * 3 + 0.97**2 * 4)
    assert float(batch.discount[at[1.0]]) == pytest.approx(0.97**3)


def test_an_episode_without_its_beginning_starts_at_its_first_step(schema):
    schema = tiny(schema)
    at, batch = everything(filled(schema, episode(schema, 'a', 6)[2:], frame_stack=3))
    assert batch.images[0][at[2.0], 0, 0, ::3].tolist() == [2, 2, 2]
    assert batch.images[0][at[4.0], 0, 0, ::3].tolist() == [2, 3, 4]


@pytest.mark.parametrize('stack, others, valid', [(2, 30, [3, 4, 5]), (3, 10, [4, 5])])
def test_a_writer_continues_without_the_frames_that_the_ring_has_overwritten(
    schema, stack, others, valid
):
    schema = tiny(schema)
    replay = Replay(schema, 12, frame_stack=stack)
    slow, busy = episode(schema, 'slow', 6), episode(schema, 'busy', 30, first=100)
    for step in slow[:2] + busy[:others] + slow[2:]:
        assert replay.add(step) == ''
    at, batch = everything(replay)
    assert sorted(number for number in at if number < 100) == valid
    assert batch.images[0][at[4.0], 0, 0, ::3].tolist() == [2, 3, 4][-stack:]


def test_sampling_is_uniform_over_valid_transitions(schema):
    schema = tiny(schema)
    replay = filled(schema, episode(schema, 'a', 2), episode(schema, 'b', 28, first=50))
    counts = np.zeros(100)
    rng = np.random.default_rng(0)
    for _ in range(300):
        numbers = replay.sample(100, False, rng).state[:, 0].numpy().astype(int)
        np.add.at(counts, numbers, 1)
    seen = counts[counts > 0]
    assert len(seen) == 30
    chi_square = ((seen - 1000) ** 2 / 1000).sum()
    assert chi_square < 58.3  # 29 degrees of freedom, p = 0.001


def test_half_of_a_batch_is_prior_data_if_there_is_any(schema):
    schema = tiny(schema)
    steps = episode(schema, 'a', 20)
    replay = filled(schema, steps)
    rng = np.random.default_rng(0)
    assert not replay.sample_half(64, rng).human.any()
    human = [replace(s, source=Source.HUMAN) for s in episode(schema, 'b', 2, first=100)[:2]]
    for step in human + episode(schema, 'b', 2, first=100)[2:]:
        replay.add(step)
    assert replay.prior_size == 2
    mixed = replay.sample_half(64, rng).human
    assert mixed[:32].all() and not mixed[32:].any()
    assert replay.sample(16, True, rng).human.all()


@pytest.mark.parametrize('outcome', [Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT])
@pytest.mark.parametrize('source', [Source.HUMAN, Source.POLICY])
def test_source_and_outcome_decide_what_is_prior_and_not_the_folder(schema, source, outcome):
    schema = tiny(schema)
    *steps, last = [replace(s, source=source) for s in episode(schema, 'a', 10)]
    replay = Replay(schema, 1000)
    for step in [*steps, replace(last, source=Source.NONE, outcome=outcome)]:
        assert replay.add(step, demonstration=True) == ''
    prior = source == Source.HUMAN and outcome == Outcome.SUCCESS
    assert (len(replay), replay.prior_size) == (10, 10 * prior)
    batch = replay.sample_half(8, np.random.default_rng(0))
    assert batch.human.all() if prior else not batch.human.any()


def test_demonstrations_are_not_overwritten_when_the_ring_wraps(schema):
    schema = tiny(schema)
    replay = Replay(schema, 40)
    *steps, last = episode(schema, 'demo', 10)
    for step in [*(replace(s, source=Source.HUMAN) for s in steps), last]:
        replay.add(step, demonstration=True)
    for i in range(20):
        for step in episode(schema, f'e{i}', 10, first=100):
            replay.add(step)
    assert replay.prior_size == 10
    assert len(replay) > 25
    with pytest.raises(CellError, match='memory_gb'):
        for i in range(5):
            for step in episode(schema, f'more{i}', 10):
                replay.add(step, demonstration=True)


def test_bad_steps_are_refused_counted_and_named(schema):
    replay = Replay(schema, 10)
    good = make_step(schema, 1)
    for change, words in (
        ({'schema_hash': 'other'}, 'schema'),
        ({'state': np.full(19, np.nan, np.float32)}, 'not finite'),
        ({'action': np.full(4, np.nan, np.float32)}, 'not within'),
        ({'action': np.full(4, 1.5, np.float32)}, 'not within'),
        ({'action': np.zeros(3, np.float32)}, '3 values'),
        ({'images': ()}, '0 images'),
        ({'images': (np.zeros((84, 84, 3), np.uint8),)}, 'the task has'),
        ({'source': Source.NONE}, 'neither policy nor human'),
        ({'reward': float('nan')}, 'reward'),
    ):
        assert words in replay.add(replace(good, **change))
    assert replay.rejected == 9 and len(replay._episodes) == 0
    assert 'reward' in replay.last_rejection
    assert replay.add(good) == ''


def test_memory_gb_is_compared_with_the_free_memory(schema):
    with pytest.raises(CellError, match='GB are free'):
        Replay.within(available_memory() / 1e9 + 1, schema, 1, 3, 0.97)
    assert 0.09e9 < memory_of(Replay.within(0.1, schema, 1, 3, 0.97)) <= 0.1e9


def memory_of(replay):
    """Bytes of everything that grows with the capacity."""
    arrays = [
        *vars(replay).values(),
        *vars(replay._steps).values(),
        *replay._steps.images,
        *vars(replay._valid).values(),
        *vars(replay._prior).values(),
    ]
    return sum(a.nbytes for a in arrays if isinstance(a, np.ndarray)) + sys.getsizeof(
        replay._owner
    )


@pytest.mark.parametrize('size, cameras, limit', [(84, 1, 21_600), (128, 2, 99_000)])
def test_a_step_needs_little_more_memory_than_its_image(schema, size, cameras, limit):
    camera = replace(schema.cameras[0], out_height=size, out_width=size)
    schema = replace(
        schema, cameras=tuple(replace(camera, name=f'camera{i}') for i in range(cameras))
    )
    replay = Replay(schema, 5000, frame_stack=3)
    assert memory_of(replay) / 5000 <= Replay.bytes_per_step(schema) <= limit


def test_empty_replay_is_one_sentence(schema):
    with pytest.raises(CellError, match='no transition yet'):
        Replay(schema, 10).sample(2, False, np.random.default_rng(0))


@pytest.mark.timing
def test_adding_a_step_is_quick(schema):
    replay = Replay(schema, 2000)
    steps = [make_step(schema, i, 'e', i, action=np.zeros(4, np.float32)) for i in range(1500)]
    took = []
    for step in steps:
        begin = time.perf_counter()
        replay.add(step)
        took.append(time.perf_counter() - begin)
    assert len(replay) == 1499
    assert np.median(took) < 200e-6
