"""The rights of each node are what it uses in a running cell, so that keys block no node."""

import time

import pytest
import rclpy

from hilserl_actor.bringup.rights import RIGHTS, enclave
from hilserl_tests.cell_process import CellProcess, own_domain

# What rclpy gives to every node.
OF_ROS = ('/rosout', '/parameter_events', 'parameter', 'get_type_description')
NODES = {'world', 'driver', 'kinematics', 'actor', 'learner', 'operator', 'scripted_operator'}
NODES |= {'console'}


def used(node, name) -> dict[str, set[str]]:
    """What a node of the graph publishes, subscribes to, serves and calls."""
    lists = {
        'publish': node.get_publisher_names_and_types_by_node,
        'subscribe': node.get_subscriber_names_and_types_by_node,
        'serve': node.get_service_names_and_types_by_node,
        'call': node.get_client_names_and_types_by_node,
    }
    return {
        kind: {found for found, _ in get(name, '/') if not any(word in found for word in OF_ROS)}
        for kind, get in lists.items()
    }


@pytest.mark.graph
@pytest.mark.slow
def test_every_topic_and_service_of_a_running_cell_is_in_the_rights_of_its_node(tmp_path):
    with own_domain() as environment:
        cell = CellProcess(['train', 'start:=scratch', f'runs_dir:={tmp_path}'], environment)
        cell.wait_for('READY -> POLICY', 100)
        rclpy.init()
        node = rclpy.create_node('reader_of_the_graph')
        try:
            deadline = time.monotonic() + 30
            while not set(node.get_node_names()) >= NODES and time.monotonic() < deadline:
                time.sleep(0.2)
            time.sleep(2.0)  # discovery of their topics
            seen = {name: used(node, name) for name in NODES}
        finally:
            node.destroy_node()
            rclpy.shutdown()
            cell.interrupt()
    assert sum(len(names) for of_node in seen.values() for names in of_node.values()) > 60
    lacking = {
        f'{name} may not {kind} {each}'
        for name, of_node in seen.items()
        for kind, names in of_node.items()
        for each in names
        - {enclave('', one) for one in getattr(RIGHTS[name], kind)}
        - set(getattr(RIGHTS[name], kind))
    }
    assert not lacking
