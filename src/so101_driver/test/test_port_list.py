"""The names of serial ports, in an imitated /dev."""

import pytest

from so101_driver.port_list import list_ports


@pytest.fixture
def dev(tmp_path):
    for name in ('ttyACM0', 'ttyACM1', 'ttyUSB0', 'ttyS0', 'video0'):
        (tmp_path / name).touch()
    for directory in ('by-id', 'by-path'):
        (tmp_path / 'serial' / directory).mkdir(parents=True)
    return tmp_path


def link(dev, name, device):
    (dev / name).symlink_to(dev / device)


def test_without_links_the_devices_are_listed_and_no_others(dev):
    assert list_ports(dev) == [str(dev / name) for name in ('ttyACM0', 'ttyACM1', 'ttyUSB0')]


def test_the_names_by_id_are_preferred_if_each_adapter_has_one(dev):
    for name in ('ttyACM0', 'ttyACM1', 'ttyUSB0'):
        link(dev, f'serial/by-id/usb-{name}', name)
        link(dev, f'serial/by-path/pci-{name}', name)
    assert list_ports(dev)[0] == str(dev / 'serial/by-id/usb-ttyACM0')


def test_adapters_that_share_a_name_by_id_are_named_by_their_socket(dev):
    link(dev, 'serial/by-id/usb-1a86_USB_Serial', 'ttyACM0')
    for name in ('ttyACM0', 'ttyACM1', 'ttyUSB0'):
        link(dev, f'serial/by-path/pci-{name}', name)
        link(dev, f'serial/by-path/pci-{name}-v2', name)
    assert list_ports(dev) == [
        str(dev / f'serial/by-path/pci-{name}') for name in ('ttyACM0', 'ttyACM1', 'ttyUSB0')
    ]


def test_a_name_that_the_user_gave_comes_before_all_others(dev):
    link(dev, 'so101_follower', 'ttyACM1')
    link(dev, 'serial/by-id/usb-a', 'ttyACM0')
    link(dev, 'serial/by-id/usb-b', 'ttyACM1')
    link(dev, 'serial/by-id/usb-c', 'ttyUSB0')
    assert list_ports(dev) == [
        str(dev / 'serial/by-id/usb-a'),
        str(dev / 'so101_follower'),
        str(dev / 'serial/by-id/usb-c'),
    ]


def test_a_computer_without_ports_has_an_empty_list(tmp_path):
    assert list_ports(tmp_path) == []
