"""List the stored runs."""

from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, show_table


def add(option: Option) -> None:
    option("--root", metavar="FOLDER", help="of the store (default: $WORKBENCH_RUNS, else runs)")


def run(args: Namespace) -> None:
    table = wb.runs.table(args.root)
    if args.json or len(table):
        show_table(table if args.json else table.round({"seconds": 1, "peak_mib": 0}), args.json)
    else:
        hint = "train one, e.g. workbench fit grace pydocs --preset quick"
        print(f"no run is stored in {wb.runs.root(args.root)}; {hint}")
