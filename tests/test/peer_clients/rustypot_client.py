"""The Rust client rustypot. Arguments: port, baud rate. Prints one JSON line."""

import json
import sys

from rustypot import Sts3215PyController


def main():
    """Read and write all servos."""
    port, rate = sys.argv[1:]
    controller = Sts3215PyController(port, int(rate), 0.5)
    ids = [1, 2, 3, 4, 5, 6]
    controller.sync_write_raw_goal_position(ids, [2000 + i for i in ids])
    print(
        json.dumps(
            {
                'pings': [bool(controller.ping(i)) for i in ids],
                'positions': controller.sync_read_raw_present_position(ids),
                'goals': controller.sync_read_raw_goal_position(ids),
                'models': [controller.read_model(i) for i in (1, 6)],
            }
        )
    )


main()
