"""The recorder's open bags are bounded, and a disk that fails costs no recorded step."""

import threading
import time

from core_support import record
import pytest

from hilserl_core.bags.episode_bag import Bag, find_bags
from hilserl_core.bags.recorder import MAX_OPEN, REMEMBERED, Recorder
from so101_node.errors import CellError


def run(recorder):
    """Write what is queued and complete the bags; return the errors."""
    errors = []

    def body():
        try:
            recorder.run()
        except CellError as error:
            errors.append(str(error))

    thread = threading.Thread(target=body)
    thread.start()
    recorder.finish()
    thread.join(60.0)
    assert not thread.is_alive()
    return errors


@pytest.mark.slow
def test_a_thousand_episodes_without_an_end_keep_few_bags_open(schema, tmp_path):
    logged, opened, began = [], [], time.monotonic()
    recorder = Recorder(tmp_path, schema, logged.append)
    write = recorder._write

    def counting(step):
        write(step)
        opened.append(len(recorder._open))

    recorder._write = counting
    for i in range(200):
        recorder.record(record(schema, 0, f'e-{i}'))
    assert run(recorder) == []
    assert max(opened) == MAX_OPEN
    assert len(find_bags(tmp_path)) == 200  # every step is on disk
    most = 2 + (time.monotonic() - began)  # one line a second
    assert 1 <= len(logged) <= most and 'no last step' in logged[0]


def test_it_tells_which_steps_are_on_disk_also_after_steps_that_are_not_written(schema, tmp_path):
    recorder = Recorder(tmp_path, schema, print)
    for i in range(3):
        recorder.record(record(schema, i, 'a'))
    recorder.skip(record(schema, 3, 'a'))
    recorder.skip(record(schema, 7, 'b'))
    assert recorder.on_disk == {}
    run(recorder)
    assert recorder.on_disk == {'a': 3, 'b': 7}
    assert len(list(Bag(tmp_path / 'a').steps())) == 3 and not (tmp_path / 'b').exists()


def test_it_remembers_a_bounded_number_of_episodes(schema, tmp_path):
    recorder = Recorder(tmp_path, schema, print)
    for i in range(2 * REMEMBERED):
        recorder.skip(record(schema, i, f'e-{i}'))
    run(recorder)
    assert list(recorder.on_disk) == [f'e-{i}' for i in range(REMEMBERED, 2 * REMEMBERED)]


@pytest.mark.slow
def test_the_bag_of_the_running_episode_stays_open_among_strangers(schema, tmp_path):
    recorder = Recorder(tmp_path, schema, print)
    for i in range(50):
        recorder.record(record(schema, i, 'own', last=i == 49))
        recorder.record(record(schema, 0, f'stranger-{i}'))
    run(recorder)
    assert len(list(Bag(tmp_path / 'own').steps())) == 50
    assert not (tmp_path / 'own-2').exists()


@pytest.mark.parametrize('what', ['file', 'missing'])
def test_a_directory_of_bags_that_cannot_be_written_is_one_sentence(schema, tmp_path, what):
    if what == 'file':
        (tmp_path / 'bags').write_text('x')
    recorder = Recorder(
        tmp_path / 'bags' / 'x' if what == 'file' else tmp_path / 'n', schema, print
    )
    recorder.record(record(schema, 0))
    errors = run(recorder)
    assert all('bags cannot be written to' in error for error in errors)
    assert len(errors) == (what == 'file')
