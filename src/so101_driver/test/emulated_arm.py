"""An arm for the tests: so101_sim's emulated servos on a real pty, each joint a simple motor."""
import json
import threading
import time

from so101_sim import calibration_path
from so101_sim.servo_bus import ServoBus
from so101_sim.sts3215 import GOAL_POSITION, Sensed, Sts3215

SPEED = 3000.0           # ticks/s
PERIOD = 0.004           # s


class LoggedServo(Sts3215):
    """A servo that remembers the goals written to it, in ticks."""

    def __init__(self, *args):
        self.goals = []
        super().__init__(*args)

    def write(self, address, data):
        if address == GOAL_POSITION:
            self.goals.append(int.from_bytes(data[:2], 'little'))
        super().write(address, data)


class EmulatedArm:
    """Six servos on `port`, at the middle of their ranges; `hold` blocks a joint where it is."""

    def __init__(self, port, arm='follower', configured=True):
        with open(calibration_path(arm), encoding='utf-8') as file:
            table = list(json.load(file).values())
        self.port = str(port)
        self.servos = []
        for entry in table:
            encoder = (entry['range_min'] + entry['range_max']) / 2 + entry['homing_offset']
            ranges = (entry['homing_offset'], entry['range_min'], entry['range_max'])
            self.servos.append(
                LoggedServo(entry['id'], Sensed(encoder), *(ranges if configured else ())))
        self.hold = set()
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
        """What goes wrong on the wire, by script."""
        return self._bus.faults

    def unplug_port(self):
        """Take the port away; the servos keep their supply."""
        self._bus.stop()

    def plug_port(self):
        """Bring the port back, as another device at the same path."""
        self._bus = ServoBus(self.port, self.servos)
        self._bus.start()

    def is_open(self):
        """Whether somebody has the port open."""
        return self._bus.slave_open()

    def _move(self):
        last = time.monotonic()
        while not self._stopping.wait(PERIOD):
            now = time.monotonic()
            reach, last = SPEED * (now - last), now
            for servo in self.servos:
                at = servo.sensed.position
                if servo.torque_on and servo.id not in self.hold:
                    step = min(max(servo.goal - at, -reach), reach)
                else:
                    step = 0.0
                servo.sensed = Sensed(at + step, step / PERIOD)
