"""List the stored runs."""

from argparse import Namespace

from workbench.cli.output import Option, show_table
from workbench.training import stored


def add(option: Option) -> None:
    option("--all", action="store_true", help="also the baselines: encoders before any training, hidden otherwise")
    option("--root", metavar="FOLDER", help="of the store (default: $WORKBENCH_RUNS, else runs)")


def run(args: Namespace) -> None:
    everything = stored.rows(args.root)
    table = [row for row in everything if args.all or not row["baseline"]]
    if not args.json:
        for row in table:
            row |= {name: row[name] and round(row[name], places) for name, places in (("seconds", 1), ("peak_mib", 0))}
    if args.json or table:
        show_table(table, args.json)
        if (hidden := len(everything) - len(table)) and not args.json:
            print(f"{hidden} untrained baseline{'s are' if hidden > 1 else ' is'} hidden; --all shows them")
    elif everything:
        print(f"nothing but untrained baselines is stored in {stored.root(args.root)}; --all shows them")
    else:
        hint = "train one, e.g. workbench fit grace pydocs --preset quick"
        print(f"no run is stored in {stored.root(args.root)}; {hint}")
