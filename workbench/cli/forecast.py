"""Predict the peak memory of a fit on this machine's CPU."""

import argparse

from workbench.cli.fit import OWN
from workbench.cli.output import add_settings, settings_of, show


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("graph", metavar="GRAPH", help="a name or a file")
    parser.add_argument("--preset", help="as for fit")
    add_settings(parser, "a setting, e.g. -p epochs=50")


def run(args: argparse.Namespace) -> int:
    """Print the forecast of one fit."""
    from workbench import methods
    from workbench.datasets import load_graph
    from workbench.training.memory import forecast

    methods.get(args.method)
    expected = forecast(args.method, load_graph(args.graph), args.preset, **settings_of(args.settings, own=OWN))
    return show(args, expected._asdict(), expected)
