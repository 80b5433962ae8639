"""Search a method's parameters on a graph by the budget of all methods, chosen on validation parts."""

import sys
from argparse import Namespace

import workbench as wb
from workbench.cli.fit import OWN
from workbench.cli.output import (
    FAILED,
    FINE,
    Option,
    add_reading,
    add_settings,
    check_out,
    load,
    settings_of,
    show,
    write_table,
)

KEPT = "the trials that were finished are stored; the same command goes on"


def add(option: Option) -> None:
    option("method", metavar="METHOD")
    option("graph", metavar="GRAPH", help="a name or a file")
    add_reading(option)
    option("--trials", type=int, help="how many (default: the budget of all methods)")
    option("--deadline", type=float, metavar="MINUTES", help="stop after this time; keep what was trained")
    add_settings(option, "a setting that no trial changes, e.g. -p negatives=uniform")
    option("--out", metavar="FILE", help="write each trial's row as CSV")


def run(args: Namespace) -> int:
    wb.methods.get(args.method)  # a misspelt word is told before anything is loaded or trained
    check_out(args.out)
    settings = settings_of(args.settings, own=(*OWN, "data", "trials", "deadline"))
    graph, where = load(args, args.graph), {"deadline": args.deadline, "progress": not args.json}
    found = wb.tune(args.method, graph, args.trials, **where, **settings)
    if args.out:
        write_table(found.trials, args.out)
    toml = found.to_toml()
    facts = {"method": found.method, "graph": found.graph, "finished": found.finished, "chosen": found.chosen}
    facts |= {name: getattr(found, name) for name in ("accuracy", "quick", "untrained")}
    show(args, {**facts, "settings": found.preset.changed, "toml": toml, "trials": found.trials}, toml.rstrip())
    if found.finished:
        return FINE
    print(
        f"workbench: {len(found.trials)} of {found.asked} trials were made; the same command goes on", file=sys.stderr
    )
    return FAILED
