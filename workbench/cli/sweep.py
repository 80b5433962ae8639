"""Train many runs on this machine's cores or a cluster, and go on where an earlier sweep was interrupted."""

import sys
from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, add_settings, check_out, code_of, settings_of, show_table, write_table
from workbench.cli.study import KEPT as KEPT
from workbench.cli.study import add_execution, trained
from workbench.errors import UserError


def add(option: Option) -> None:
    option("methods", nargs="+", metavar="METHOD")
    option("--graphs", nargs="+", required=True, metavar="GRAPH", help="names, files or folders")
    option(
        "--preset", nargs="+", default=[None], help="one or several (default: the authors' for each graph, as of fit)"
    )
    option("--seeds", type=int, default=3, help="training seeds of each (default: %(default)s)")
    add_settings(option, "a setting of all, -p epochs=50")
    add_execution(option, workers=None)
    option("--out", metavar="FILE", help="write each training's row as CSV")


def run(args: Namespace) -> int:
    check_out(args.out)
    settings = settings_of(args.settings, own=("seeds", "preset"))
    study = wb.studies.study.sweep(args.methods, args.preset, args.seeds, **settings)
    left_out: list[str] = []
    outcomes, _ = trained(args, study, args.graphs, left_out)
    for sentence in left_out:
        print(f"workbench: left out: {sentence}", file=sys.stderr)
    if not outcomes:
        raise UserError("no training is left: none of the methods has such a preset for any of the graphs")
    table = wb.studies.execute.table(outcomes)
    if args.out:
        write_table(table, args.out)
    show_table(table, args.json)
    return code_of(outcomes)
