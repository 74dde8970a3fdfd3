"""Start a learner alone, for arms on other hosts (./cell act there).

It listens at listen:=HOST:PORT, on this host only unless another address is given. Beyond this
host it needs keys (./cell secure --link). Arms may join and leave while it runs.
"""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from ..bringup import learn_plan

    parser.add_argument('arguments', nargs='*', metavar='name:=value')
    parser.epilog = learn_plan.help_text()


def main(options: Namespace) -> int:
    """Run the learner to its end."""
    import os

    from so101_node.output import keep_going_without_output
    from so101_node.shared_memory import remove_shared_memory_of_the_dead

    from ..bringup.keystore import require_security_if_enabled
    from ..bringup.learn_plan import make_learn_plan
    from ..bringup.supervisor import Supervisor

    keep_going_without_output()
    plan = make_learn_plan(options.arguments)
    require_security_if_enabled(os.environ)
    remove_shared_memory_of_the_dead()
    code = Supervisor(plan).run()
    print(f'cell: the run is in {plan.run_dir}; the same command goes on', flush=True)
    return code
