"""A node with one parameter of each kind, for test_ros_node.py; `mishap` says how it ends."""

import signal
import threading
import time

from so101_node.errors import CellError
from so101_node.ros_node import CellNode, Parameter, run


class Tiny(CellNode):
    """`tiny`."""

    PARAMETERS = (
        Parameter('rate', 1.0, 'Hz', 0.1, 10.0),
        Parameter('count', 3, 'a whole number', 1, 5),
        Parameter('colour', 'red', 'a colour', choices=('red', 'blue')),
        Parameter('mishap', '', 'what goes wrong'),
    )

    def __init__(self):
        super().__init__('tiny')
        mishap = self.param('mishap')
        if mishap == 'init':
            raise CellError('the bench is on fire; put it out')
        if mishap == 'fatal':
            threading.Timer(0.3, self.fatal, ['the cable came off; plug it in']).start()
        if mishap == 'thread':
            self.guard(self._fail)
        if mishap == 'callback':
            self.create_timer(0.1, self._fail)
        self.create_timer(0.05, self._alive)
        self._said = False

    def _fail(self):
        raise ValueError('a bug')

    def _alive(self):
        if not self._said:
            self._said = True
            print(f'alive rate={self.param("rate")!r}', flush=True)

    def close(self):
        # A second Ctrl-C, as a terminal's whole group gets it, while the node is closing.
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.1)
        print('closed', flush=True)


if __name__ == '__main__':
    run(Tiny)
