"""Where ROS writes its log if the user has no home directory: HOME unset, or not writable."""

from collections.abc import Mapping
import os
from pathlib import Path
import pwd
import tempfile


def home_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set; {} if ROS can write its log without them."""
    found = {}
    home = environ.get('HOME', '')
    if not home:  # the middleware looks nowhere else
        try:
            home = found['HOME'] = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # a user without an entry, as in some containers
            pass
    if not (environ.get('ROS_LOG_DIR') or environ.get('ROS_HOME') or _can_log(home)):
        found['ROS_LOG_DIR'] = str(Path(tempfile.gettempdir(), f'ros-log-{os.getuid()}'))
    return found


def _can_log(home: str) -> bool:
    for directory in (Path(home, '.ros', 'log'), Path(home, '.ros'), Path(home)):
        if home and directory.is_dir():
            return os.access(directory, os.W_OK | os.X_OK)
    return False
