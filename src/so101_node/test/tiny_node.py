"""A node with one parameter of each kind, for test_ros_node.py. `mishap` chooses how it ends."""

from dataclasses import dataclass
import os
from pathlib import Path
import signal
import threading
import time

from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from so101_node import qos
from so101_node.errors import CellError
from so101_node.options import Options, option
from so101_node.ros_node import CellNode, run


@dataclass(frozen=True)
class TinyOptions(Options):
    """Options of the tiny node."""

    rate: float = option(1.0, 'how often', unit='Hz', low=0.1, high=10.0)
    count: int = option(3, 'how many', low=1, high=5)
    colour: str = option('red', 'which colour', choices=('red', 'blue'))
    place: tuple[float, float] = option((0.0, 1.0), 'where', unit='m')
    mishap: str = option('', 'what goes wrong')


class Tiny(CellNode):
    """`tiny`."""

    OPTIONS = TinyOptions
    options: TinyOptions

    def __init__(self):
        super().__init__('tiny')
        mishap = self.options.mishap
        if mishap == 'init':
            raise CellError('the bench is on fire; put it out')
        if mishap == 'slow':
            print('constructing', flush=True)
            time.sleep(30.0)
        if mishap == 'swallowed':  # a library replaces the interruption by its own error
            print('constructing', flush=True)
            try:
                time.sleep(30.0)
            except BaseException:
                raise ImportError('the library is broken') from None
        if mishap == 'fatal':
            threading.Timer(0.3, self.fatal, ['the cable came off; plug it in']).start()
        if mishap == 'thread':
            self.guard(self._fail)
        if mishap == 'talk':
            self.create_timer(0.02, self._talk)
        if mishap == 'callback':
            self.create_timer(0.1, self._fail)
        self.create_subscription(JointState, 'joints', self._on_joints, qos.COMMAND)
        self.create_service(SetBool, 'switch', self._on_switch)
        self.create_timer(0.05, self._alive)
        self._has_printed = False

    def _fail(self):
        raise ValueError('a bug')

    def _on_joints(self, message):
        if message.name:
            raise CellError(f'unknown joint {message.name[0]}')
        print(f'joints {message.position[0]}', flush=True)

    def _on_switch(self, request, response):
        if request.data:
            self._fail()
        response.success = True
        return response

    def _alive(self):
        if not self._has_printed:
            self._has_printed = True
            print(f'alive rate={self.options.rate!r}', flush=True)

    def _talk(self):
        self.get_logger().info('a line of the logger')
        print('a line of the node', flush=True)

    def close(self):
        if self.options.mishap == 'talk':
            self._talk()
        # A second Ctrl-C while the node closes, as a terminal sends it to the whole group.
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.1)
        print('closed', flush=True)
        if 'TINY_CLOSED' in os.environ:
            Path(os.environ['TINY_CLOSED']).touch()


if __name__ == '__main__':
    run(Tiny)
