"""A port that another program has open is refused; what serves the port is no such program."""

import fcntl
import os
import subprocess
import sys
import termios
import time

from driver_support.emulated_arm import EmulatedArm
import pytest

from so101_driver import serial_port
from so101_driver.bus import Bus
from so101_driver.servos import IDS
from so101_node.errors import CellError

pytestmark = [pytest.mark.slow, pytest.mark.timing]

# A program without locks, as LeRobot's; with an argument more, it serves a port that it opens too.
HOLD = 'import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print(1); sys.stdin.read()'
SERVE = 'import os, sys; m, s = os.openpty(); print(os.ttyname(s)); sys.stdin.read()'
TIOCGEXCL = 0x80045440


def child(code, *arguments):
    words = [sys.executable, '-u', '-c', code, *arguments]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_port_that_another_program_reads_without_a_lock_is_refused_by_its_name(tmp_path):
    with EmulatedArm(tmp_path / 'port') as arm:
        with child(HOLD, arm.port) as other:
            other.stdout.readline()
            with pytest.raises(CellError, match=rf'in use by python\S* \(process {other.pid}\)'):
                Bus(arm.port, IDS)
            other.stdin.close()
        with_none = Bus(arm.port, IDS, 0.05)
        assert with_none.ping(3) == 0
        with_none.close()


def test_the_program_that_serves_the_port_may_have_both_ends_open():
    with child(SERVE) as server:
        port = server.stdout.readline().strip()
        assert serial_port.holders(port) == []
        Bus(port, IDS).close()
        server.stdin.close()


def test_the_kernel_refuses_later_opens_of_a_real_port(tmp_path, monkeypatch):
    with EmulatedArm(tmp_path / 'port') as arm:
        for real in (True, False):
            monkeypatch.setattr(serial_port, 'is_pseudo_terminal', lambda device, r=real: not r)
            bus = Bus(arm.port, IDS)
            state = fcntl.ioctl(bus._fd, TIOCGEXCL, bytes(4))
            assert int.from_bytes(state, sys.byteorder) == real
            fcntl.ioctl(bus._fd, termios.TIOCNXCL)
            bus.close()


def test_looking_for_holders_takes_little_time(tmp_path):
    with EmulatedArm(tmp_path / 'port') as arm:
        began = time.process_time()
        serial_port.holders(os.path.realpath(arm.port))
        assert time.process_time() - began < 0.5
