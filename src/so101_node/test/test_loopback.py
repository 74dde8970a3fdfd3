"""Out of the box, the middleware of a node receives on this host only."""

import os
from pathlib import Path
import signal
import socket
import subprocess
import sys

import pytest
import rclpy

from so101_node.errors import CellError
from so101_node.loopback import (
    PROFILE,
    RANGE,
    beyond_this_host,
    loopback_environment,
    require_this_host,
    sockets_beyond_loopback,
)
from so101_node.ros_node import warn_of_open_sockets

TINY = [sys.executable, str(Path(__file__).with_name('tiny_node.py'))]
BOUND = {RANGE: 'SYSTEM_DEFAULT', 'FASTDDS_DEFAULT_PROFILES_FILE': str(PROFILE)}


def start(environment, parameters=()):
    process = subprocess.Popen(
        [*TINY, *parameters], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip
    assert process.stdout.readline().startswith('alive')
    return process


def end(process) -> str:
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=15)[1]


def clean_environment(**variables):
    left_out = (RANGE, 'ROS_LOCALHOST_ONLY', *BOUND)
    return {k: v for k, v in os.environ.items() if k not in left_out} | variables


@pytest.mark.parametrize('given', [{}, {RANGE: 'LOCALHOST'}, {'ROS_LOCALHOST_ONLY': '1'}])
def test_a_node_receives_at_loopback_only(given, domain):
    process = start(clean_environment(**given))
    try:
        assert sockets_beyond_loopback(process.pid) == []
    finally:
        assert end(process) == ''


def test_a_copy_of_the_profile_in_a_folder_with_a_space_and_an_accent_is_read(domain, tmp_path):
    copy = tmp_path / 'fresh é x' / PROFILE.name
    copy.parent.mkdir()
    copy.write_bytes(PROFILE.read_bytes())
    bound = {RANGE: 'SYSTEM_DEFAULT', 'FASTDDS_DEFAULT_PROFILES_FILE': str(copy)}
    code = 'import rclpy; rclpy.init(); rclpy.create_node("n"); print("alive"); input()'
    process = subprocess.Popen(
        [sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=clean_environment(**bound),
    )  # fmt: skip
    try:
        assert process.stdout.readline() == 'alive\n'
        assert sockets_beyond_loopback(process.pid) == []
    finally:
        process.communicate('\n', timeout=15)


def test_a_users_own_profile_is_used(domain, tmp_path):
    own = tmp_path / 'own.xml'
    own.write_text(
        '<dds xmlns="http://www.eprosima.com"><profiles><participant profile_name="own" '
        'is_default_profile="true"><rtps/></participant></profiles></dds>'
    )
    process = start(clean_environment(FASTDDS_DEFAULT_PROFILES_FILE=str(own)))
    assert sockets_beyond_loopback(process.pid)
    assert end(process) == ''


def test_a_node_warns_if_the_middleware_ignores_the_profile(domain, capfd):
    # This process has the range LOCALHOST, in which Fast DDS receives at every address.
    rclpy.init()
    node = rclpy.create_node('open')
    try:
        warn_of_open_sockets(node)
    finally:
        node.destroy_node()
        rclpy.shutdown()
    assert 'other hosts can send to this node at udp 0.0.0.0:' in capfd.readouterr().err


@pytest.mark.parametrize(
    'given, expected',
    [
        ({}, BOUND),
        ({RANGE: 'LOCALHOST'}, BOUND),
        (BOUND, BOUND),
        ({'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp'}, BOUND),
        ({'ROS_LOCALHOST_ONLY': '1'}, {**BOUND, 'ROS_LOCALHOST_ONLY': ''}),
        (
            {'ROS_DISTRO': 'jazzy'},
            {RANGE: 'SYSTEM_DEFAULT', 'FASTRTPS_DEFAULT_PROFILES_FILE': str(PROFILE)},
        ),
        ({'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'}, {RANGE: 'LOCALHOST'}),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/my.xml'}, {RANGE: 'LOCALHOST'}),
        ({'FASTRTPS_DEFAULT_PROFILES_FILE': '/my.xml'}, {RANGE: 'LOCALHOST'}),
        ({RANGE: 'OFF'}, {}),
        ({RANGE: 'SUBNET'}, {}),
        ({RANGE: 'SYSTEM_DEFAULT'}, {}),
        ({RANGE: 'SYSTEM_DEFAULT', 'FASTDDS_DEFAULT_PROFILES_FILE': '/my.xml'}, {}),
        ({'ROS_STATIC_PEERS': '192.0.2.7'}, {}),
    ],
)
def test_the_users_settings_win(given, expected):
    assert loopback_environment(given) == expected


def test_the_refusal_holds_little_foreign_text():
    with pytest.raises(CellError) as error:
        require_this_host({'ROS_STATIC_PEERS': 'x' * 100_000}, insecure=False)
    assert len(str(error.value)) < 400


def test_what_this_suite_sets_is_not_refused_at_the_next_start():
    assert beyond_this_host(loopback_environment({})) == ''


def test_a_socket_for_all_addresses_is_found_whatever_its_protocol():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as local,
    ):
        udp.bind(('0.0.0.0', 0))
        tcp.bind(('::', 0))
        tcp.listen()
        local.bind(('127.0.0.1', 0))
        expected = [f'tcp6 :::{tcp.getsockname()[1]}', f'udp 0.0.0.0:{udp.getsockname()[1]}']
        found = sockets_beyond_loopback()
    assert set(expected) <= set(found)
    assert not any('127.0.0.1' in one for one in found)


def test_a_command_of_the_shell_gets_the_same_environment():
    done = subprocess.run(
        [sys.executable, '-m', 'so101_node.loopback', 'env'],
        capture_output=True,
        text=True,
        env=clean_environment(),
    )
    assert f'{RANGE}=SYSTEM_DEFAULT' in done.stdout.splitlines()
