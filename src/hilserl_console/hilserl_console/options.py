"""The options of the node `console`."""

from dataclasses import dataclass

from hilserl_actor.options import TeleopOption
from so101_node.names import WRIST_CAMERA
from so101_node.options import option

LOOPBACK = '127.0.0.1'
VERBS = ('train', 'record', 'eval')


@dataclass(frozen=True)
class ConsoleOptions(TeleopOption):
    """The options of the node `console`."""

    console_host: str = option(
        LOOPBACK,
        'address at which the page is served; any other than 127.0.0.1 lets other computers in, '
        'if they have the link',
        verbs=VERBS,
    )
    shown_cameras: tuple[str, ...] = option(
        (WRIST_CAMERA,), 'cameras on the page whose images are raw, separated by commas'
    )
    compressed_cameras: tuple[str, ...] = option(
        (), 'cameras on the page whose images are compressed, separated by commas'
    )
    console_port: int = option(
        0, 'port of the page; 0: a free one', low=0, high=65535, verbs=VERBS
    )
