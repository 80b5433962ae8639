"""List the stored runs."""

from argparse import Namespace

from workbench.cli.output import Option, show_table


def add(option: Option) -> None:
    option("--root", metavar="FOLDER", help="of the store (default: $WORKBENCH_RUNS, else runs)")


def run(args: Namespace) -> None:
    from workbench.training import store as runs

    table = runs.table(args.root)
    if args.json or len(table):
        show_table(table if args.json else table.round({"seconds": 1, "peak_mib": 0}), args.json)
    else:
        print(f"no run is stored in {runs.root(args.root)}; train one, e.g. workbench fit grace pydocs --preset quick")
