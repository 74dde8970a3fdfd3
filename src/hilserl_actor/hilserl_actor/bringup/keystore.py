"""Makes SROS 2 keys for the nodes of a cell, where the middleware supports DDS security."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile

from so101_node.durable import make_private, replace_file
from so101_node.errors import CellError
from so101_node.names import camera_node_of, check_role

from .rights import RIGHTS, enclave, policy

_PROBE = 'import rclpy; rclpy.init(); rclpy.create_node("probe")'


def has_security() -> bool:
    """Start a node with security in another process; return whether the middleware can.

    CellError if the node fails for another reason.
    """
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, 'enclaves', 'probe').mkdir(parents=True)
        done = subprocess.run(
            [sys.executable, '-c', _PROBE],
            env={
                **os.environ,
                'ROS_SECURITY_ENABLE': 'true',
                'ROS_SECURITY_STRATEGY': 'Permissive',  # the enclave has no keys
                'ROS_SECURITY_KEYSTORE': directory,
                'ROS_SECURITY_ENCLAVE_OVERRIDE': '/probe',
            },
            capture_output=True,
            text=True,
        )
    if done.returncode and 'security' not in done.stderr.lower():
        last = (done.stderr.strip().splitlines() or ['no message'])[-1]
        raise CellError(f'a node with security does not start: {last[:200]}')
    return done.returncode == 0


def require_security() -> None:
    """Raise CellError if this installation's middleware has no DDS security."""
    if not has_security():
        raise CellError(
            'the middleware here has no DDS security (the Fast DDS of the PyPI wheels is built '
            'without it); install ROS 2 from ros.org with its package sros2 and source it'
        )


def require_security_if_enabled(environ: Mapping[str, str]) -> None:
    """Raise CellError if the environment asks for security that the middleware does not have."""
    if environ.get('ROS_SECURITY_ENABLE') == 'true':
        require_security()


def make_keystore(
    directory: Path, namespace: str, cells: Sequence[str], roles: Sequence[str] = ()
) -> list[str]:
    """Make a keystore with an enclave for each node; return the enclaves.

    An existing keystore gets what it lacks, and new permissions. roles: of further cameras.
    CellError if SROS 2 is not there.
    """
    for role in roles:
        check_role('--cameras', role)
    require_security()
    if not (shutil.which('ros2') and find_spec('sros2')):
        raise CellError(
            'there is no `ros2 security`; install the package sros2 of this ROS distribution '
            f'(sudo apt-get install ros-{os.environ.get("ROS_DISTRO", "kilted")}-sros2)'
        )
    make_private(directory.parent)
    if not directory.exists():
        _security('create_keystore', str(directory))
        directory.chmod(0o700)
    policies = directory / 'policies'
    make_private(policies)
    made = []
    for node in dict.fromkeys((*RIGHTS, *map(camera_node_of, roles))):
        name = enclave(namespace, node)
        file = policies / f'{name.strip("/").replace("/", ".")}.xml'
        replace_file(file, policy(namespace, node, cells, roles))
        if not (directory / 'enclaves' / name.strip('/') / 'key.pem').exists():
            _security('create_enclave', str(directory), name)
        _security('create_permission', str(directory), name, str(file))
        made.append(name)
    return made


def _security(*words: str) -> None:
    done = subprocess.run(['ros2', 'security', *words], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ['no message'])[-1]
        raise CellError(f'ros2 security {words[0]} failed: {last[:200]}')
