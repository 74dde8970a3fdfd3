"""./cell watch: films of recorded episodes."""

from dataclasses import replace
import shutil

import cv2
from learner_support.finished_run import finished_run
from learner_support.running_learner import episode
import numpy as np
from PIL import Image
import pytest

from hilserl_core.bags.episode_bag import new_bag
from hilserl_core.bags.labels import Label, add_label
from hilserl_core.contract.steps import Outcome, Source
from hilserl_learner.film import drawing
from hilserl_learner.film.episodes import Recordings
from hilserl_learner.film.video_file import write_film
from so101_node import names, verb
from so101_node.errors import CellError


@pytest.fixture
def run(schema, tmp_path):
    """Ten episodes: e0 to e2 succeed with help, e3 to e5 fail alone, e6 to e9 succeed alone."""
    return finished_run(schema, tmp_path)


def chosen(run, *words):
    return [episode.name for episode in Recordings(str(run), run.parent).choose(words)]


def add_episode(directory, schema, name, steps):
    bag = new_bag(directory, schema, steps[0])
    for step in steps:
        bag.write(step)
    bag.close()
    return bag.directory


def read_video(file):
    video, found = cv2.VideoCapture(str(file)), []
    while (read := video.read())[0]:
        found.append(read[1][:, :, ::-1])
    return found, video.get(cv2.CAP_PROP_FPS)


def test_episodes_are_chosen_by_number_name_and_word(run):
    assert chosen(run, 'last') == chosen(run, '-1') == chosen(run, '10') == ['e9']
    assert chosen(run, '1', 'e4', '2') == ['e0', 'e4', 'e1']
    assert chosen(run, 'all') == [f'e{number}' for number in range(10)]
    assert chosen(run, 'worst') == ['e3'] and chosen(run, 'best') == ['e9']


def test_a_label_given_afterwards_decides_which_is_the_worst(run):
    for name in ('e3', 'e4', 'e5'):
        add_label(run / 'bags' / name, Label(Outcome.SUCCESS))
    assert chosen(run, 'worst') == ['e0']  # a success with help
    add_label(run / 'bags' / 'e7', Label(Outcome.FAILURE))
    assert chosen(run, 'worst') == ['e7']


def test_demonstrations_are_those_of_the_run_file_else_the_episodes_that_a_human_drove(
    run, schema, tmp_path
):
    with pytest.raises(CellError, match='has no demonstrations'):
        chosen(run, 'demos')
    steps = [
        replace(step, stamp=step.stamp + 3 * 10**17, source=0 if step.last else Source.HUMAN)
        for step in episode(schema, 'driven', 5)
    ]
    add_episode(run / 'bags', schema, 'driven', steps)
    assert chosen(run, 'demos') == ['driven']
    add_episode(tmp_path / 'demos', schema, 'demo', episode(schema, 'demo', 5))
    file = run / 'run.yaml'
    text = file.read_text()
    assert 'demos: []' in text
    file.write_text(text.replace('demos: []', f'demos: [{tmp_path / "demos"}]'))
    assert chosen(run, 'demos') == ['demo']


def test_an_unknown_episode_is_one_sentence_with_what_there_is(run, capsys):
    assert verb.run(['watch', str(run), '11']) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and '1 to 10' in error and 'worst' in error
    assert not (run / 'films').exists()


@pytest.mark.slow
def test_a_film_has_a_picture_of_each_step_at_the_task_s_rate(run, schema, capsys):
    assert verb.run(['watch', 'lift', 'worst', '--runs-dir', str(run.parent)]) == 0
    out = capsys.readouterr().out
    file = run / 'films' / 'e3.mp4'
    assert f'{file}: 1.6 s' in out and 'episode 4 of 10 (e3): timeout, 6 steps, 0 by' in out
    images, rate = read_video(file)
    assert rate == schema.rate and len(images) == 6 + round(drawing.END_SECONDS * schema.rate)
    assert sorted(path.name for path in file.parent.iterdir()) == ['e3.mp4']


@pytest.mark.slow
@pytest.mark.parametrize('ending', ['.gif', '.png'])
def test_a_gif_and_an_animated_png_are_films_too(run, tmp_path, ending):
    file = tmp_path / f'film{ending}'
    assert verb.run(['watch', str(run), '1', '2', '--speed', '2', '--out', str(file)]) == 0
    with Image.open(file) as film:
        durations, seen = [], []
        for at in range(film.n_frames):
            film.seek(at)
            durations.append(film.info['duration'])
            seen.append(np.asarray(film.convert('RGB')))
    # equal pictures may be joined into a longer one
    assert sum(durations) == pytest.approx(2 * (6 + 10) * 50)
    assert all((image != seen[0]).any() for image in seen[1:6])


def test_the_caption_s_colours_say_who_drove_and_how_it_ended(schema, run):
    (helped,) = Recordings(str(run), run.parent).choose(['e0'])
    shown = list(drawing.pictures(helped))
    camera = schema.cameras[0]
    large = camera.out_height * round(drawing.HEIGHT / camera.out_height)
    expected = helped.steps[1].images[0]
    factor = large // camera.out_height
    assert (shown[1][factor // 2 : large : factor, factor // 2 : large : factor] == expected).all()
    badge = (large + drawing.BAND + 6, 6)  # within the coloured field, beside the word
    colours = {Source.POLICY: drawing.POLICY, Source.HUMAN: drawing.HUMAN}
    assert drawing.POLICY != drawing.HUMAN
    for at, step in enumerate(helped.steps[:-1]):
        assert tuple(shown[at][badge]) == colours[step.source]
    assert {Source(step.source) for step in helped.steps[:-1]} == {Source.POLICY, Source.HUMAN}
    assert tuple(shown[-1][badge]) == drawing.OUTCOMES[Outcome.SUCCESS]


def test_several_cameras_are_side_by_side(schema, tmp_path):
    front = replace(schema.cameras[0], name='front_camera', out_height=32, out_width=48)
    both = replace(schema, cameras=(schema.cameras[0], front))
    steps = [
        replace(
            step,
            cameras=('wrist_camera', 'front_camera'),
            images=(np.full((64, 64, 3), 10, np.uint8), np.full((32, 48, 3), 200, np.uint8)),
            image_stamps=step.image_stamps * 2,
        )
        for step in episode(schema, 'two', 3)
    ]
    add_episode(tmp_path, both, 'two', steps)
    (found,) = Recordings(str(tmp_path), tmp_path).choose(['last'])
    first = next(drawing.pictures(found))
    assert first.shape[1::-1] == drawing.size(found) and first.shape[1] == 320 + 8 + 480
    assert (first[:320, :320] == 10).all() and (first[:320, 328:] == 200).all()


@pytest.fixture
def quick_codec(monkeypatch):
    """VP9 takes seconds for the noise in the images of these tests."""
    monkeypatch.setattr('hilserl_learner.film.video_file.CODECS', ('mp4v',))


def test_a_damaged_bag_is_named_and_left_out(run, capsys, quick_codec):
    (file,) = (run / 'bags' / 'e9').glob('*.mcap')
    file.write_bytes(file.read_bytes()[:300])
    assert chosen(run, 'last') == ['e8']
    shutil.rmtree(run / 'bags' / 'e8')
    assert verb.run(['watch', str(run)]) == 0
    captured = capsys.readouterr()
    assert 'e9 cannot be read' in captured.err and 'left out' in captured.err
    assert (run / 'films' / 'e7.mp4').exists()


def test_a_film_that_cannot_be_written_leaves_the_older_one(run, tmp_path, monkeypatch, capsys):
    file = tmp_path / 'old.mp4'
    file.write_bytes(b'older')
    monkeypatch.setattr('hilserl_learner.film.video_file.CODECS', ())
    assert verb.run(['watch', str(run), '--out', str(file)]) == 1
    assert '.gif or .png' in capsys.readouterr().err
    assert file.read_bytes() == b'older' and not list(tmp_path.glob('.old*'))
    with pytest.raises(CellError, match=r'\.mp4, \.gif, \.png'):
        write_film(tmp_path / 'film.avi', [], 10.0)


def test_one_bag_alone_has_its_film_beside_it(run, quick_codec):
    assert verb.run(['watch', str(run / 'bags' / 'e2')]) == 0
    assert (run / 'bags' / 'films' / 'e2.mp4').exists()
    assert len(Recordings(str(run), run.parent).choose(['all'])) == 10  # `films` is no bag


def test_no_topic_of_a_cell_begins_with_the_player_s_prefix():
    prefix = names.WATCHED.partition('/')[0] + '/'
    others = [
        value
        for name, value in vars(names).items()
        if isinstance(value, str) and not name.startswith(('WATCHED', '_'))
    ]
    assert len(others) > 20 and not [value for value in others if value.startswith(prefix)]
    assert names.WATCHED_FILM.startswith(prefix)
