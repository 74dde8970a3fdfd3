"""Steps that an actor makes while `link_client` is away come to the disk of the arm's side."""

from dataclasses import replace
import subprocess
import time

from core_support import record
import pytest

from hilserl_actor.bringup.plan import NodeSpec
from hilserl_actor.bringup.supervisor import command_line
from hilserl_core.bags.cdr import step_from_cdr, step_to_cdr
from hilserl_core.contract.tasks import make_task
from hilserl_link.spool import Spool
from hilserl_tests.cell_process import own_domain
from hilserl_tests.spun_node import spun_node
from so101_description.model import model_hash
from so101_interfaces.msg import LinkStatus, Step
from so101_node import names, qos

RUN = 'run1'


@pytest.mark.graph
def test_a_link_client_that_is_killed_and_started_again_gets_what_it_missed_once(tmp_path):
    schema = make_task('grasp_lift', model_hash())
    spec = NodeSpec(
        'hilserl_link',
        'link_client',
        {'learner_address': '127.0.0.1:1', 'spool_dir': str(tmp_path)},  # no learner is there
    )
    waiting = []
    with own_domain() as domain, spun_node('arm') as node:
        publisher = node.create_publisher(Step, names.STEP, qos.STEPS_KEPT)
        node.create_subscription(
            LinkStatus, names.LINK_STATUS, lambda m: waiting.append(m.waiting_steps), qos.STATUS
        )

        def steps(first, last):
            for index in range(first, last):
                step = replace(record(schema, index), run_id=RUN)
                publisher.publish(bytes(step_to_cdr(step)))

        steps(0, 10)
        for first in (10, 30):
            waiting.clear()
            client = subprocess.Popen(command_line(spec, ''), env=domain)
            steps(first, first + 10)
            end = time.monotonic() + 60.0
            while not waiting or waiting[-1] < first + 10:
                assert time.monotonic() < end, waiting
                time.sleep(0.1)
            client.kill()
            client.wait()
            steps(first + 10, first + 20)
    spool = Spool(tmp_path / f'{RUN}.sqlite', 1 << 30)
    found = [step_from_cdr(data).index for _, data in spool.read(1, 100, 1 << 30)]
    assert found == list(range(40))  # each once, in order
