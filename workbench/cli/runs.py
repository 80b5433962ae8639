"""List the stored runs."""

from argparse import Namespace

from workbench.cli.output import Option, show_table
from workbench.training import stored


def add(option: Option) -> None:
    option("--root", metavar="FOLDER", help="of the store (default: $WORKBENCH_RUNS, else runs)")


def run(args: Namespace) -> None:
    table = stored.rows(args.root)
    if not args.json:
        for row in table:
            row |= {name: row[name] and round(row[name], places) for name, places in (("seconds", 1), ("peak_mib", 0))}
    if args.json or table:
        show_table(table, args.json)
    else:
        hint = "train one, e.g. workbench fit grace pydocs --preset quick"
        print(f"no run is stored in {stored.root(args.root)}; {hint}")
