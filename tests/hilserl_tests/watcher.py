"""A ROS node that receives and keeps the messages of a running cell."""

from collections import Counter
from collections.abc import Callable
import time
from typing import Any

from sensor_msgs.msg import Image, JointState

from so101_interfaces.msg import ActorStatus, LearnerStatus, Step, Task, Weights
from so101_node import names, qos

from .spun_node import spun_node


class Watcher:
    """The messages of the cell while the `with` block runs."""

    def __init__(self) -> None:
        self.actor: list[ActorStatus] = []
        self.learner: list[LearnerStatus] = []
        self.steps: list[Step] = []
        self.task: Task | None = None
        self.versions: list[int] = []
        self.commands: list[JointState] = []  # to the follower
        self.command_times: list[float] = []  # their arrivals, monotonic s
        self.states: dict[str, list[JointState]] = {arm: [] for arm in names.ARMS}
        self.counts: Counter[str] = Counter()
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}

    def __enter__(self) -> 'Watcher':
        self._spun = spun_node('watcher')
        self.node = node = self._spun.__enter__()
        for kind, topic, profile, store in (
            (ActorStatus, names.ACTOR_STATUS, qos.STEPS, self.actor.append),
            (LearnerStatus, names.LEARNER_STATUS, qos.STATUS, self.learner.append),
            (Step, names.STEP, qos.STEPS, self.steps.append),
            (Weights, names.WEIGHTS, qos.LATCHED, lambda m: self.versions.append(m.version)),
            (
                JointState,
                names.JOINT_COMMANDS.format(arm='follower'),
                qos.STEPS,
                self._note_command,
            ),
            (Task, names.TASK, qos.LATCHED, lambda m: setattr(self, 'task', m)),
            (Image, names.IMAGE.format(camera=names.WRIST_CAMERA), qos.SENSOR_SUB, None),
            *(
                (JointState, names.JOINT_STATES.format(arm=arm), qos.SENSOR_PUB, states.append)
                for arm, states in self.states.items()
            ),
        ):
            node.create_subscription(
                kind, topic, lambda m, t=topic, s=store: self._note(t, m, s), profile
            )
        return self

    def _note_command(self, command: JointState) -> None:
        self.commands.append(command)
        self.command_times.append(time.monotonic())

    def _note(self, topic: str, message: Any, store: Callable[[Any], object] | None) -> None:
        now = time.monotonic()
        self.first.setdefault(topic, now)
        self.last[topic] = now
        self.counts[topic] += 1
        if store:
            store(message)

    def rate(self, topic: str) -> float:
        """Return the rate between the first and the last message, 1/s."""
        return (self.counts[topic] - 1) / (self.last[topic] - self.first[topic])

    def __exit__(self, *error: Any) -> None:
        self._spun.__exit__(*error)
