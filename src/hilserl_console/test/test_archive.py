"""`./cell console RUN`: episodes, images and labels of finished runs, with the real server."""

import asyncio
import re
import signal
import subprocess
import sys
import time
import urllib.request

import aiohttp
from console_support.chromium import chromium, needs_chromium
import cv2
from learner_support.finished_run import LENGTH, finished_run
import numpy as np
import pytest

from hilserl_actor.bringup.console_link import make_link, port_and_token
from hilserl_console.access import Access
from hilserl_console.archive import Archive, decode_label
from hilserl_console.archive_server import ArchiveServer, serve
from hilserl_core.bags.labels import read_labels
from hilserl_core.contract.steps import Outcome
from hilserl_core.contract.tasks import make_task
from hilserl_learner.training.run_directory import RunDirectory
from so101_node.errors import CellError

SCHEMA = make_task('grasp_lift', 'test-model')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    return finished_run(SCHEMA, tmp_path_factory.mktemp('runs'))


def use(path, body, *others):
    """Run body(client, address) with the archives served."""

    async def go():
        link = make_link.__wrapped__('127.0.0.1', 0)
        port, token = port_and_token(link)
        app, ended = (
            ArchiveServer(Access(token, port), [Archive(each) for each in (path, *others)]).app,
            asyncio.Event(),
        )
        task = asyncio.create_task(serve(app, '127.0.0.1', port, ended))
        await asyncio.sleep(0.05)
        try:
            headers = {'Cookie': f'hilserl_console_{port}={token}'}
            async with aiohttp.ClientSession(headers=headers) as client:
                await body(client, f'http://127.0.0.1:{port}/')
        finally:
            ended.set()
            await task

    asyncio.run(go())


def test_a_label_of_the_page_is_that_of_the_sidecar_and_can_be_moved(run):
    archive = Archive(run)
    number = 4

    async def label(client, address, **values):
        wanted = {'run': 0, 'episode': number} | values
        async with client.post(address + 'label', json=wanted) as answer:
            return answer.status, await answer.json()

    async def body(client, address):
        async with client.get(address + 'runs.json') as answer:
            (shown,) = await answer.json()
        assert [each['outcome'] for each in shown['episodes']].count('timeout') == 3
        assert shown['alone'] == {
            'part': 4,
            'whole': 10,
            'low': pytest.approx(0.168, abs=1e-3),
        } | {'high': shown['alone']['high']}
        assert len(shown['evaluations']) == 2 and shown['settings']['seed'] == '3'
        for outcome, at in (('success', 3), ('failure', None), ('success', 4)):
            status, found = await label(client, address, outcome=outcome, at=at)
            assert status == 200
            each = found['episodes'][number]
            assert each['outcome'] == outcome
            assert each['steps'] == (LENGTH if at is None else at)
            assert each['images'] == LENGTH + 1  # the moment can be moved
        assert (await label(client, address, outcome='success', at=99))[0] == 400
        assert (await label(client, address, outcome='great'))[0] == 400
        assert (await label(client, address, outcome='success', episode=99))[0] == 400

    use(run, body)
    bag = sorted((run / 'bags').iterdir())
    labelled = [each for each in bag if each.is_dir() and read_labels(each)]
    assert len(labelled) == 1 and len(read_labels(labelled[0])) == 1
    assert Archive(run).shown()['episodes'][number]['outcome'] == 'success'
    assert archive.shown()['episodes'][number]['outcome'] == 'timeout'  # read before


def test_images_are_served_and_nothing_else(run):
    async def body(client, address):
        async with client.get(address + 'image/0/0/0') as answer:
            image = cv2.imdecode(np.frombuffer(await answer.read(), np.uint8), cv2.IMREAD_COLOR)
            camera = SCHEMA.cameras[0]
            assert image.shape[0] == camera.out_height
        for path in ('image/0/0/99', 'image/0/99/0', 'image/9/0/0', 'report/0', 'image/0/0/x'):
            async with client.get(address + path) as answer:
                assert answer.status == 404, path
        async with client.post(address + 'label', data='x') as answer:
            assert answer.status == 415
        async with client.get(address, headers={'Origin': 'http://evil.example'}) as answer:
            assert answer.status == 403

    use(run, body)


def test_a_run_that_is_none_is_named(tmp_path):
    with pytest.raises(CellError, match='there is no run'):
        Archive(tmp_path / 'nothing')
    (tmp_path / 'bags').mkdir()
    with pytest.raises(CellError, match='no complete episode'):
        Archive(tmp_path)


@pytest.mark.parametrize(
    'data', [b'', b'[]', b'{"run":-1,"episode":0,"outcome":"success"}', b'\xff']
)
def test_a_wrong_label_is_a_sentence(data):
    with pytest.raises(CellError, match='not a label'):
        decode_label(data)


def test_a_label_of_a_run_in_use_goes_to_its_learner(tmp_path):
    path = finished_run(SCHEMA, tmp_path)
    asked = []
    archive = Archive(path, lambda *words: asked.append(words))
    wanted = decode_label(b'{"run": 0, "episode": 4, "outcome": "success", "at": 3}')
    directory = RunDirectory(path, SCHEMA)
    try:
        assert archive.shown()['in_use'] is True
        archive.label(wanted)
        assert [words[:3] for words in asked] == [('', 'e4', Outcome.SUCCESS)]
        assert not list((path / 'bags').glob('*labels*')) and read_labels(archive._at(4).bag) == []
        with pytest.raises(CellError, match='is in use; end it first'):
            Archive(path).label(wanted)
    finally:
        directory.release()
    archive.label(wanted)  # the learner has ended: the label is written here, at the same time
    (label,) = read_labels(archive._at(4).bag)
    assert (label.time, label.outcome) == (asked[0][3], Outcome.SUCCESS) and len(asked) == 1


def test_episodes_that_a_run_makes_meanwhile_are_shown(tmp_path):
    path = finished_run(SCHEMA, tmp_path)
    bags = sorted((path / 'bags').glob('*/'))
    bags[-1].rename(tmp_path / 'later')
    archive = Archive(path)
    before = archive.shown()['episodes']
    archive.read_new()
    assert archive.shown()['episodes'] is not before and len(before) == 9
    (tmp_path / 'later').rename(bags[-1])
    archive.read_new()
    assert len(archive.shown()['episodes']) == 10


@pytest.mark.slow
@needs_chromium
def test_curves_of_two_runs_stand_side_by_side(run, tmp_path):
    other = finished_run(SCHEMA, tmp_path).rename(tmp_path / 'lift2')

    async def body(client, address):
        port = int(address.split(':')[-1].strip('/'))
        token = client.headers['Cookie'].partition('=')[2]
        async with chromium() as tab:
            await tab.open(f'http://127.0.0.1:{port}/?token={token}')
            await tab.until("document.querySelectorAll('#curves figure svg').length === 3")
            lines = "[...document.querySelectorAll('#curves figure')].map(f => "
            lines += "[...f.querySelectorAll('polyline')].map(l => l.getAttribute('points')))"
            found = await tab.evaluate(lines)
            assert [len(each) for each in found] == [2, 2, 2]
            assert all(len(points.split()) == 10 for points in found[0])
            labels = await tab.evaluate(
                "[...document.querySelectorAll('#curves figure svg')]"
                ".map(s => s.getAttribute('aria-label'))"
            )
            assert labels[0].startswith('success alone') and 'lift2: 40 %' in labels[0]
            for width in (390, 1400):
                await tab.show_as(width, 900)
                wide = 'document.documentElement.scrollWidth'
                assert await tab.evaluate(wide) <= width
            assert not tab.errors

    use(run, body, other)


@pytest.mark.slow
def test_the_verb_prints_a_link_that_works_until_ctrl_c(run):
    words = [sys.executable, '-m', 'so101_node.verb', 'console', str(run)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        link = re.search(r'http://\S+', process.stdout.readline().decode())[0]
        end = time.monotonic() + 120.0  # a busy computer
        while True:
            try:
                with urllib.request.urlopen(link, timeout=30) as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert time.monotonic() < end, 'no answer'
                time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=120)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.decode().strip() == 'cell console: stopped'
