"""Train many runs on this machine's cores or a cluster, and go on where an earlier sweep was interrupted."""

import argparse
import sys

from workbench.cli.output import FAILED, FINE, add_settings, check_out, settings_of, show_table
from workbench.cli.study import KEPT as KEPT
from workbench.cli.study import add_execution, finished, states, trained
from workbench.errors import UserError


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("methods", nargs="+", metavar="METHOD")
    parser.add_argument("--graphs", nargs="+", required=True, metavar="GRAPH", help="names or files")
    parser.add_argument("--preset", nargs="+", default=["released"], help="one or several (default: released)")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds of each (default: %(default)s)")
    add_settings(parser, "a setting of all, -p epochs=50")
    add_execution(parser, workers=None)
    parser.add_argument("--out", metavar="FILE", help="write each training's row as CSV")


def run(args: argparse.Namespace) -> int:
    """Train, and print a row for each training."""
    from workbench.studies.study import sweep

    check_out(args.out)
    study = sweep(args.methods, args.preset, args.seeds, **settings_of(args.settings, own=("seeds", "preset")))
    left_out: list[str] = []
    outcomes, _ = trained(args, study, args.graphs, left_out)
    for sentence in left_out:
        print(f"workbench: left out: {sentence}", file=sys.stderr)
    if not outcomes:
        raise UserError("no training is left: none of the methods has such a preset for any of the graphs")
    table = states(outcomes)
    if args.out:
        table.to_csv(args.out, index=False, float_format="%.6g")
    show_table(table, args.json)
    return FINE if finished(outcomes) else FAILED
