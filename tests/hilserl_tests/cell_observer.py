"""Writes down when messages of a cell pass, by the steady clock, which all processes share.

`python -m hilserl_tests.cell_observer FILE` is a process of its own, so that it can run in another
network namespace and another ROS domain. It ends with its stdin. `read` gives what it wrote.
"""

from collections.abc import Iterator
import json
from pathlib import Path
import sys
import time
from typing import Any

from hilserl_core.bags.cdr import step_from_cdr
from so101_interfaces.msg import ActorStatus, LinkStatus, Recorded, Step
from so101_node import names, qos

from .spun_node import spun_node

STEP, TICK, LINK = 'step', 'tick', 'link'


def main() -> None:
    """Write until stdin ends."""
    with open(sys.argv[1], 'w', encoding='utf-8', buffering=1) as file:

        def write(kind: str, *values: Any) -> None:
            file.write(json.dumps([kind, time.monotonic(), *values]) + '\n')

        def on_step(data: bytes) -> None:
            step = step_from_cdr(data)
            write(STEP, step.episode_id, step.index)

        def on_tick(status: ActorStatus) -> None:
            write(TICK, status.header.stamp.sec + status.header.stamp.nanosec * 1e-9)

        def on_link(status: LinkStatus) -> None:
            write(LINK, status.policy_age_s, status.waiting_steps, status.clock_difference_s)

        with spun_node('observer') as node:
            sessions: set[str] = set()

            def on_recorded(message: Recorded) -> None:
                if message.session not in sessions:
                    sessions.add(message.session)
                    topic = names.LINKED_STEP.format(session=f's{message.session}')
                    node.create_subscription(Step, topic, on_step, qos.STEPS, raw=True)

            node.create_subscription(Step, names.STEP, on_step, qos.STEPS, raw=True)
            node.create_subscription(Recorded, names.RECORDED, on_recorded, qos.LATCHED)
            node.create_subscription(ActorStatus, names.ACTOR_STATUS, on_tick, qos.STEPS)
            node.create_subscription(LinkStatus, names.LINK_STATUS, on_link, qos.STATUS)
            sys.stdin.read()


def read(file: Path, kind: str) -> Iterator[list[Any]]:
    """Yield time (s, monotonic) and values of each message of a kind."""
    for line in file.read_text(encoding='utf-8').splitlines():
        found = json.loads(line)
        if found[0] == kind:
            yield found[1:]


if __name__ == '__main__':
    main()
