"""Runs a command by `ros2 launch`, where a ROS distribution is sourced."""

import signal
import subprocess
from types import FrameType

from so101_node.signals import handle_endings


class Launched:
    """One `ros2 launch`. A signal that ends this process ends the launch, too."""

    def __init__(self, ros2: str, command: str, words: list[str]):
        self._words = [ros2, 'launch', 'hilserl_actor', f'{command}.launch.py', *words]
        self._child: subprocess.Popen[bytes] | None = None
        self.signalled = ''

    def run(self) -> int:
        """Run it to its end; return its exit code."""
        handle_endings(self._on_signal)
        self._child = subprocess.Popen(self._words)
        if self.signalled:  # it came before there was a child
            self._child.send_signal(signal.SIGINT)
        return self._child.wait()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.signalled = signal.Signals(number).name
        if self._child is not None and self._child.poll() is None:
            # a second SIGINT, besides that of the terminal, is ignored by ros2 launch
            self._child.send_signal(signal.SIGINT)
