"""An emulated bus and the SDK's port on it."""

import sys

import pytest
import scservo_sdk as sdk
from sim_support import IDS, make_servo

import so101_sim  # noqa: F401  it chooses MuJoCo's renderer, before MuJoCo is imported
from so101_sim.servo_bus import ServoBus


@pytest.fixture
def bus(tmp_path):
    bus = ServoBus(tmp_path / 'port', [make_servo(i) for i in IDS])
    bus.start()
    yield bus
    bus.stop()


@pytest.fixture
def port(bus, monkeypatch):
    # The SDK polls without a pause: on a loaded machine, the bus in the same process gets its
    # turn late, and later than the SDK waits.
    monkeypatch.setattr('scservo_sdk.port_handler.LATENCY_TIMER', 200)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    port = sdk.PortHandler(bus.path)
    assert port.openPort()
    yield port
    port.closePort()
    sys.setswitchinterval(interval)
