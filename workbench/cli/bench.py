"""Run a benchmark of time and memory, or list them."""

import importlib
import sys
from argparse import Namespace
from pathlib import Path

from workbench.cli.output import Option, show_facts, show_table
from workbench.errors import UserError

FOLDER = Path(__file__).parents[2] / "benchmarks"


def add(option: Option) -> None:
    option("name", nargs="?", metavar="NAME", help="without it, list the names")


def run(args: Namespace) -> None:
    if not FOLDER.is_dir():
        raise UserError(f"benchmarks run from a clone of the project, beside the package: there is no folder {FOLDER}")
    sys.path[:0] = [str(FOLDER.parent), str(FOLDER.parent / "tests")]  # tests/oracles.py has the plain re-statements
    races = importlib.import_module("benchmarks.races")
    if args.name is None:
        show_table([{"benchmark": name} for name in races.names()], args.json)
    else:
        show_facts(races.run(args.name), args.json)
