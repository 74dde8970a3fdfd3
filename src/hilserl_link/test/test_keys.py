"""Keys: only sides of this CA connect, each as what it is."""

import os
import shutil
import socket
import ssl
import stat

from link_support import connecting, free_port, serving, wait
import pytest

from hilserl_link.address import context_of, host_and_port
from hilserl_link.keys import CERTIFICATE, KEY, has_keys, make_keys, tls
from so101_node import verb
from so101_node.errors import CellError

pytestmark = pytest.mark.skipif(not shutil.which('openssl'), reason='openssl is not installed')


@pytest.fixture(scope='module')
def keys(tmp_path_factory):
    directory = tmp_path_factory.mktemp('keys') / 'link-keys'
    make_keys(directory, ['arm', 'b'])
    return directory


@pytest.fixture(scope='module')
def strangers(tmp_path_factory):
    directory = tmp_path_factory.mktemp('strangers') / 'link-keys'
    make_keys(directory, ['arm'])
    return directory


def test_keys_are_for_this_user_only_and_the_same_command_adds_arms(keys):
    for folder in ('ca', 'learner', 'arm', 'b'):
        assert has_keys(keys / folder) or folder == 'ca'
        assert stat.S_IMODE(os.stat(keys / folder).st_mode) == 0o700
        for file in (keys / folder).iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = (keys / 'arm' / KEY).read_bytes()
    assert [folder.name for folder in make_keys(keys, ['arm', 'c'])] == ['c']
    assert (keys / 'arm' / KEY).read_bytes() == before


def test_the_verb_makes_the_keys_and_says_where_they_belong(tmp_path, capsys):
    folder = tmp_path / 'link-keys'
    words = ['secure-link', '--keys', str(folder), '--arms', 'a,b']
    assert verb.run(words) == 0
    assert all(has_keys(folder / side) for side in ('learner', 'a', 'b'))
    shown = capsys.readouterr().out
    assert f'made {folder / "a"}' in shown and f'scp -rp {folder / "b"} HOST:' in shown
    assert verb.run(words) == 0
    assert 'nothing to make' in capsys.readouterr().out


@pytest.mark.parametrize('name', ['../x', 'learner', 'ca', 'a b', ''])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(CellError, match='is no name of an arm'):
        make_keys(tmp_path, [name])


@pytest.mark.timing
@pytest.mark.parametrize('says, name', [('', 'b'), ('left', 'b.left')])
def test_the_name_of_a_cell_begins_with_that_of_its_certificate(
    schema, tmp_path, keys, says, name
):
    port = free_port()
    with serving(schema, port, tls(keys / 'learner', True)) as server:
        with connecting(schema, port, tmp_path, tls(keys / 'b', False), name=says) as client:
            wait(lambda: client.connected and server.cells)
            assert set(server.cells) == {name}


def handshake(server_context, client_context):
    """Try TLS between two contexts over a socket pair; return the errors of both."""
    ours, theirs = socket.socketpair()
    errors = []

    def serve():
        try:
            with server_context.wrap_socket(ours, server_side=True) as wrapped:
                wrapped.recv(1)
        except (ssl.SSLError, OSError) as error:
            errors.append(error)

    import threading

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client_context.wrap_socket(theirs) as wrapped:
            wrapped.send(b'x')
            wrapped.settimeout(5.0)
            wrapped.recv(1)  # TLS 1.3 tells a refused certificate with the first bytes
    except (ssl.SSLError, OSError) as error:
        errors.append(error)
    theirs.close()
    thread.join(10.0)
    return errors


def plain_client():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_both_sides_need_keys_of_this_ca_each_for_its_own_part(keys, strangers):
    server = tls(keys / 'learner', True)
    assert handshake(server, tls(keys / 'arm', False)) == []
    assert handshake(server, plain_client())  # without a certificate
    assert handshake(server, tls(strangers / 'arm', False))  # of another CA
    assert handshake(tls(strangers / 'learner', True), tls(keys / 'arm', False))
    # an arm's key cannot stand in for the learner, nor the learner's for an arm
    assert handshake(tls(keys / 'b', True), tls(keys / 'arm', False))
    assert handshake(server, tls(keys / 'learner', False))


def test_a_key_that_others_can_read_is_refused(keys, tmp_path):
    folder = tmp_path / 'arm'
    shutil.copytree(keys / 'arm', folder)
    (folder / KEY).chmod(0o644)
    with pytest.raises(CellError, match=r'can be read by other users \(mode 0644\); run: chmod'):
        tls(folder, False)
    (folder / KEY).chmod(0o600)
    (folder / CERTIFICATE).write_text('nothing')
    with pytest.raises(CellError, match='cannot be used'):
        tls(folder, False)
    (folder / CERTIFICATE).unlink()
    with pytest.raises(CellError, match='make it with ./cell secure --link'):
        tls(folder, False)


@pytest.mark.parametrize('host', ['0.0.0.0', '192.168.1.5', 'learner.lab', '::'])
def test_beyond_this_host_keys_are_needed_unless_insecure(host, keys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CellError, match='make keys with ./cell secure --link, or add insecure'):
        context_of(host, '', 'learner', True, insecure=False)
    assert context_of(host, '', 'learner', True, insecure=True) is None
    assert context_of('127.0.0.1', '', 'learner', True, insecure=False) is None
    shutil.copytree(keys, tmp_path / 'link-keys')
    assert context_of(host, '', 'learner', True, insecure=True) is not None
    assert context_of('127.0.0.1', '', 'learner', True, insecure=False) is not None


def test_addresses():
    assert host_and_port('link', 'learner.lab') == ('learner.lab', 7447)
    assert host_and_port('link', '10.0.0.2:80') == ('10.0.0.2', 80)
    assert host_and_port('link', '[::1]:80') == ('::1', 80)
    assert host_and_port('link', '::1') == ('::1', 7447)
    for wrong in ('', ':80', 'a:b', 'http://x', '10.0.0.2:99999'):
        with pytest.raises(CellError, match='is no address'):
            host_and_port('link', wrong)
