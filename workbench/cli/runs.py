"""List the stored runs."""

from argparse import Namespace

from workbench.cli.output import FAILED, FINE, Option, show_table
from workbench.training import stored


def add(option: Option) -> None:
    option("--all", action="store_true", help="also the baselines: encoders before any training, hidden otherwise")
    option("--check", action="store_true", help="read every byte of them; exit code 1 where one is damaged")
    option("--root", metavar="FOLDER", help="of the store (default: $WORKBENCH_RUNS, else runs)")


def run(args: Namespace) -> int:
    everything = stored.rows(args.root, every_byte=args.check)
    table = [row for row in everything if args.all or not row["baseline"]]
    damaged = [row for row in everything if row["method"] == stored.DAMAGED]
    if not args.json:
        for row in table:
            row |= {name: row[name] and round(row[name], places) for name, places in (("seconds", 1), ("peak_mib", 0))}
        if not any(row["state"] for row in table):
            table = [{name: value for name, value in row.items() if name != "state"} for row in table]
    if args.json or table:
        show_table(table, args.json)
        if (hidden := len(everything) - len(table)) and not args.json:
            print(f"{hidden} untrained baseline{'s are' if hidden > 1 else ' is'} hidden; --all shows them")
    elif everything:
        print(f"nothing but untrained baselines is stored in {stored.root(args.root)}; --all shows them")
    else:
        hint = "train one, e.g. workbench fit grace pydocs --preset quick"
        print(f"no run is stored in {stored.root(args.root)}; {hint}")
    return FAILED if args.check and damaged else FINE
