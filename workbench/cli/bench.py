"""Run a benchmark of time and memory, or list them."""

import importlib
import sys
from argparse import Namespace
from pathlib import Path

from workbench.cli.output import Option, print_json, show_facts, show_table
from workbench.errors import UserError

FOLDER = Path(__file__).parents[2] / "benchmarks"


def add(option: Option) -> None:
    option("name", nargs="?", metavar="NAME", help="without it, list the names")


def run(args: Namespace) -> None:
    if not FOLDER.is_dir():
        raise UserError(f"benchmarks run from a clone of the project, beside the package: there is no folder {FOLDER}")
    sys.path.insert(0, str(FOLDER.parent))
    benchmarks = importlib.import_module("benchmarks").BENCHMARKS
    if args.name is None:
        show_table([{"benchmark": name} for name in benchmarks.names()], args.json)
        return
    rows = benchmarks.get(args.name)()
    if args.json:
        print_json(rows)
        return
    for facts in rows:
        show_facts(facts)
