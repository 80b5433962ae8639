"""List the stored runs."""

import argparse

from workbench.cli.output import FINE, show_table


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--root", metavar="FOLDER", help="of the store (default: $WORKBENCH_RUNS, else runs)")


def run(args: argparse.Namespace) -> int:
    """Print a row for each run."""
    from workbench.training import store as runs

    table = runs.table(args.root)
    if args.json or len(table):
        return show_table(table if args.json else table.round({"seconds": 1, "peak_mib": 0}), args.json)
    print(f"no run is stored in {runs.root(args.root)}; train one, e.g. workbench fit grace pydocs --preset quick")
    return FINE
