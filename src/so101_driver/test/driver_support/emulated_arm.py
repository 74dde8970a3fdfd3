"""An emulated arm: so101_sim's servos on a real pseudo-terminal, with a simple motor per joint."""

from collections import deque
import json
import threading
import time

from so101_sim import calibration_path
from so101_sim.servo_bus import ServoBus
from so101_sim.sts3215 import GOAL_POSITION, TORQUE_ENABLE, Sensed, Sts3215

SPEED = 3000.0  # ticks/s
PERIOD = 0.004  # s
WINDOW = 0.08  # s, several cycles of a driver
STIFFNESS = 0.005  # share of the full drive per tick, at a blocked joint
SUPPLY = {'follower': 12.0, 'leader': 7.4}  # V


class LoggedServo(Sts3215):
    """A servo that records the setpoints (ticks) and torque switches written to it.

    setpoints_at: the times of all setpoints, monotonic s, with the setpoints.
    """

    def __init__(self, *args):
        self.setpoints, self.switched, self.setpoints_at = [], [], []
        super().__init__(*args)

    def write(self, address, data):
        if address == GOAL_POSITION:
            self.setpoints.append(int.from_bytes(data[:2], 'little'))
            self.setpoints_at.append((time.monotonic(), self.setpoints[-1]))
        if address == TORQUE_ENABLE:
            self.switched.append(data[0])
        super().write(address, data)


class EmulatedArm:
    """Six servos on `port`, in the middle of their ranges. `hold`: ids of blocked joints.

    fastest: the largest speed of each joint so far, over WINDOW, ticks/s.

    moving: whether the motors run; else the test sets what the servos sense.
    """

    def __init__(self, port, arm='follower', configured=True, moving=True):
        with open(calibration_path(arm), encoding='utf-8') as file:
            table = list(json.load(file).values())
        self.port = str(port)
        self.servos = []
        for entry in table:
            encoder = (entry['range_min'] + entry['range_max']) / 2 + entry['homing_offset']
            ranges = (entry['homing_offset'], entry['range_min'], entry['range_max'])
            self.servos.append(
                LoggedServo(
                    entry['id'],
                    Sensed(encoder, voltage=SUPPLY[arm]),
                    *(ranges if configured else ()),
                )
            )
        self.hold, self._moving = set(), moving
        self.fastest = [0.0] * len(self.servos)
        self._bus = ServoBus(self.port, self.servos)
        self._stopping = threading.Event()

    def __enter__(self):
        self._bus.start()
        self._thread = threading.Thread(target=self._move, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()
        self._bus.stop()

    @property
    def faults(self):
        """The faults of the wire, injected by the test."""
        return self._bus.faults

    @property
    def bus(self):
        """The emulated bus."""
        return self._bus

    def connect(self, connected):
        """Close or break the data line; the servos keep their supply."""
        self._bus.connected = connected

    def unplug_port(self):
        """Remove the port; the servos keep their supply."""
        self._bus.stop()

    def plug_port(self):
        """Restore the port, as a new device at the same path."""
        self._bus = ServoBus(self.port, self.servos)
        self._bus.start()

    def is_open(self):
        """Return whether a process has the port open."""
        return self._bus.slave_open()

    def _move(self):
        last = time.monotonic()
        past = deque()  # (monotonic s, positions)
        while self._moving and not self._stopping.wait(PERIOD):
            now = time.monotonic()
            reach, last = SPEED * (now - last), now
            past.append((now, [servo.sensed.position for servo in self.servos]))
            while now - past[0][0] > 2 * WINDOW:
                past.popleft()
            if now - past[0][0] > WINDOW:
                moved = zip(past[0][1], past[-1][1], self.fastest)
                self.fastest = [
                    max(fastest, abs(after - before) / (now - past[0][0]))
                    for before, after, fastest in moved
                ]
            for servo in self.servos:
                sensed, step, load = servo.sensed, 0.0, 0.0
                away = servo.goal - sensed.position if servo.torque_on else 0.0
                if servo.id in self.hold:
                    load = min(max(away * STIFFNESS, -servo.torque_limit), servo.torque_limit)
                else:
                    most = min(reach, servo.speed_limit * reach / SPEED)
                    step = min(max(away, -most), most)
                servo.sensed = sensed._replace(
                    position=sensed.position + step, velocity=step / PERIOD, load=load
                )
