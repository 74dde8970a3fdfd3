"""The options of the nodes `link_client` and `link_server`."""

from dataclasses import dataclass

from hilserl_core.contract.task_options import TaskOptions
from so101_node.options import Options, option
from so101_node.shared_options import RunIdOption

from .address import PORT, context_of, host_and_port
from .keys import LEARNER

ARM = 'arm'


@dataclass(frozen=True)
class LinkOptions(Options):
    """What both sides have."""

    link_keys: str = option(
        '',
        'directory with the keys of this side, made by ./cell secure --link (empty: '
        f'link-keys/{LEARNER} or link-keys/{ARM} in this directory; without keys the link stays '
        'on this host)',
        verbs=('train', 'learn'),
    )
    without_keys: bool = option(
        False, 'connect other hosts without encryption; insecure:=true sets it'
    )


@dataclass(frozen=True)
class LinkClientOptions(LinkOptions, TaskOptions):
    """The options of the node `link_client`, on the arm's host."""

    learner_address: str = option(
        f'127.0.0.1:{PORT}', "address of the learner's host, HOST or HOST:PORT; link:= sets it"
    )
    cell_name: str = option(ARM, "name of this cell for the learner's side, if it has no keys")
    spool_dir: str = option(
        'runs/default/link', 'directory for the steps that wait until the learner has them'
    )
    spool_gb: float = option(
        2.0,
        'size of the steps that may wait for the learner; further steps are lost, and counted',
        unit='GB',
        low=0.001,
        high=1000.0,
        verbs=('train',),
    )

    def check(self) -> None:
        """CellError for an address that is none, and for keys that are missing."""
        super().check()
        host, _ = host_and_port('link', self.learner_address)
        context_of(host, self.link_keys, ARM, False, self.without_keys)


@dataclass(frozen=True)
class LinkServerOptions(LinkOptions, TaskOptions, RunIdOption):
    """The options of the node `link_server`, on the learner's host."""

    listen: str = option(
        f'127.0.0.1:{PORT}',
        'address at which arms connect; 0.0.0.0 lets other hosts connect, if they have keys',
        verbs=('learn',),
    )
    excluded_file: str = option(
        '',
        'file with the names of cells whose steps are not taken, one a line; it is read again '
        'when it changes (empty: none)',
    )

    def check(self) -> None:
        """CellError for an address that is none, and for keys that are missing."""
        super().check()
        host, _ = host_and_port('listen', self.listen)
        context_of(host, self.link_keys, LEARNER, True, self.without_keys)
