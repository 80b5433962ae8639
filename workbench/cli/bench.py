"""Run a benchmark of time and memory, or list them."""

import argparse

from workbench.cli.output import FINE, add_json, show_facts, show_table


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)
    parser.add_argument("name", nargs="?", metavar="NAME", help="without it, list the names")


def run(args: argparse.Namespace) -> int:
    """Print the figures of one benchmark, or the names of all."""
    from workbench import bench

    if args.name is None:
        show_table([{"benchmark": name} for name in bench.names()], args.json)
    else:
        show_facts(bench.run(args.name), args.json)
    return FINE
