"""Measures the servo bus: rate and its limit, jitter, CPU share, cost of a lost packet."""

import argparse
import contextlib
import json
import os
from pathlib import Path
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rich.console import Console
from rich.table import Table
from std_srvs.srv import SetBool

from hilserl_tests.cell_process import own_domain
from so101_driver.bus import BYTE, Bus
from so101_driver.servo import BLOCK, BLOCK_LENGTH
from so101_driver.servos import IDS
from so101_node import names, qos
from so101_sim import calibration_path

TICKS = os.sysconf('SC_CLK_TCK')
# request and answers of one sync read of the block, and one goal write
WIRE_BYTES = 8 + len(IDS) + len(IDS) * (6 + BLOCK_LENGTH) + 8 + 3 * len(IDS)
LIMIT = 1.0 / (WIRE_BYTES * BYTE)

# Each emulated bus is a separate process, so that it shares no lock with the measured driver.
SERVE = """
import sys
from so101_description.joints import REST
from so101_sim.servo_arm import ServoArm
arm = ServoArm(sys.argv[1], sys.argv[2], REST)
arm.bus.start()
print('ready', flush=True)
for line in sys.stdin:
    arm.bus.faults.inject('drop', servo=int(line))
    print('dropping', flush=True)
"""


@contextlib.contextmanager
def process(words, **options):
    """A child process that is ended with the `with` block."""
    child = subprocess.Popen(words, text=True, **options)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(10.0)


@contextlib.contextmanager
def servos(arm, port):
    """The emulated servos of one arm on `port`."""
    with process(
        [sys.executable, '-c', SERVE, arm, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        yield child


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, s."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Driver:
    """The driver node on both arms with torque on, measured by its diagnostics."""

    def __init__(self, ports, rate: float, environment):
        parameters = {'bus_rate': rate, 'rest_after': 3600.0}
        for arm, port in zip(names.ARMS, ports):
            parameters |= {f'{arm}_port': port, f'{arm}_calibration': calibration_path(arm)}
        self.words = [
            sys.executable,
            '-c',
            'from so101_driver.entry_points import driver; driver()',
            '--ros-args',
        ]
        for name, value in parameters.items():
            self.words += ['-p', f'{name}:={value}']
        self.environment = environment

    def measure(self, seconds: float) -> dict[str, list[float]]:
        """{key: one value for each message} of the follower, and `cpu` in % of a core."""
        rclpy.init()
        node = rclpy.create_node('bench')
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        messages = []
        node.create_subscription(DiagnosticArray, names.DIAGNOSTICS, messages.append, qos.STATUS)
        with process(
            self.words, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as driver:
            for arm in names.ARMS:
                client = node.create_client(SetBool, names.SET_TORQUE.format(arm=arm))
                while True:
                    client.wait_for_service(20.0)
                    answer = client.call_async(SetBool.Request(data=True))
                    executor.spin_until_future_complete(answer, 5.0)
                    if answer.result() and answer.result().success:
                        break
            end = time.monotonic() + 6.0  # the driver's figures cover its last 5 s
            while time.monotonic() < end:
                executor.spin_once(0.1)
            messages.clear()
            used, since = cpu_seconds(driver.pid), time.monotonic()
            while time.monotonic() < since + seconds:
                executor.spin_once(0.1)
            cpu = 100 * (cpu_seconds(driver.pid) - used) / (time.monotonic() - since)
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
        rows = [
            {v.key: float(v.value) for v in status.values if v.key != 'torque'}
            for message in messages
            for status in message.status
            if status.name == 'driver: follower'
        ]
        return {key: [row[key] for row in rows] for key in rows[0]} | {'cpu': [cpu]}


def lost_packet_ms(port: str, child) -> list[float]:
    """The additional time of sync reads with one lost answer, ms."""
    bus, costs = Bus(port, IDS), []

    def timed():
        began = time.perf_counter()
        return len(bus.sync_read(BLOCK, BLOCK_LENGTH)), time.perf_counter() - began

    normal = statistics.median(timed()[1] for _ in range(200))
    for number in range(60):
        print(IDS[number % 6], file=child.stdin, flush=True)
        child.stdout.readline()
        answers, took = timed()
        if answers == len(IDS) - 1:
            costs.append((took - normal) * 1e3)
    bus.close()
    return costs


def main():
    """Run, measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=10.0, help='length of each part, s')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, own_domain() as environment:
        os.environ |= {
            key: environment[key]
            for key in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE')
            if key in environment
        }
        ports = [f'{directory}/{arm}' for arm in names.ARMS]
        with servos('follower', ports[0]) as child, servos('leader', ports[1]):
            costs = lost_packet_ms(ports[0], child)
            at_100_hz = Driver(ports, 100.0, environment).measure(options.seconds)
            at_1000_hz = Driver(ports, 1000.0, environment).measure(options.seconds)
    rate = statistics.median(at_1000_hz['rate_hz'])
    result = {
        'rate_hz': round(rate, 1),
        'limit_hz': round(LIMIT, 1),
        'ratio': round(rate / LIMIT, 3),
        'jitter_ms_p99': statistics.median(at_100_hz['jitter_ms_p99']),
        'cpu_percent_at_100hz': round(at_100_hz['cpu'][0], 1),
        'lost_packet_ms': round(statistics.median(costs), 2),
    }
    table = Table(title='both arms on emulated buses at 1 Mbaud, torque on')
    for heading in ('figure', 'least', 'median', 'most'):
        table.add_column(heading, justify='left' if heading == 'figure' else 'right')
    for title, values in (
        ('rate at 100 Hz, Hz', at_100_hz['rate_hz']),
        ('jitter p99, ms', at_100_hz['jitter_ms_p99']),
        ('highest rate, Hz', at_1000_hz['rate_hz']),
        ('lost packet costs, ms', costs),
    ):
        table.add_row(title, *(f'{f(values):.2f}' for f in (min, statistics.median, max)))
    Console().print(table)
    print(f'load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
    print(json.dumps(result))


if __name__ == '__main__':
    main()
