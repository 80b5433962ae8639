"""The command `workbench`, which is also `python -m workbench`."""

import os
import signal
import sys

from workbench import endings


def main() -> int:
    """Run the command of this process and return its exit code; a signal that comes before it began ends it at once."""
    for number in endings.SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, lambda number, frame: os._exit(128 + number))
    from workbench import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
