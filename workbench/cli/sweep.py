"""Train many runs on this machine's cores or a cluster, and go on where an earlier sweep was interrupted."""

import argparse
import sys

from workbench.cli.output import (
    FAILED,
    FINE,
    add_json,
    add_settings,
    check_out,
    print_json,
    seconds_of,
    settings_of,
    show_table,
)
from workbench.errors import UserError

KEPT = "the trainings that were finished are stored; the same command goes on"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)
    parser.add_argument("methods", nargs="+", metavar="METHOD")
    parser.add_argument("--graphs", nargs="+", required=True, metavar="GRAPH", help="names or files")
    parser.add_argument("--preset", nargs="+", default=["released"], help="one or several (default: released)")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds of each (default: %(default)s)")
    add_settings(parser, "a setting of all, -p epochs=50")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    parser.add_argument("--on", metavar="ADDRESS", help="of a Dask scheduler, to train on its workers")
    parser.add_argument(
        "--deadline", type=float, metavar="MINUTES", help="stop after this time and keep what was trained"
    )
    parser.add_argument("--out", metavar="FILE", help="write each training's row as CSV")


def run(args: argparse.Namespace) -> int:
    """Train, and print a row for each training."""
    from workbench.studies import sweep

    check_out(args.out)
    deadline = seconds_of(args.deadline)
    left_out: list[str] = []
    settings = settings_of(args.settings, own=("seeds", "left_out"))
    requests = sweep.plan(args.methods, args.graphs, args.preset, args.seeds, left_out, **settings)
    for told in left_out:
        print(f"workbench: left out: {told}", file=sys.stderr)
    if not requests:
        raise UserError("no training is left: none of the methods has such a preset for any of the graphs")
    rows = sweep.run(requests, workers=args.workers, on=args.on, deadline=deadline, progress=not args.json)
    if args.out:
        rows.to_csv(args.out, index=False, float_format="%.6g")
    if args.json:
        print_json(rows.to_dict("records"))
    else:
        show_table(rows, as_json=False)
    return FINE if rows["state"].isin([sweep.STORED, sweep.TRAINED]).all() else FAILED
