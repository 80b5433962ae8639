"""Predict the peak memory of a fit on this machine's CPU."""

from argparse import Namespace

import workbench as wb
from workbench.cli.fit import OWN
from workbench.cli.output import Option, add_reading, add_settings, load, settings_of, show


def add(option: Option) -> None:
    option("method", metavar="METHOD")
    option("graph", metavar="GRAPH", help="a name or a file")
    add_reading(option)
    option("--preset", help="as for fit")
    add_settings(option, "a setting, e.g. -p epochs=50")


def run(args: Namespace) -> None:
    wb.methods.get(args.method)
    expected = wb.forecast(args.method, load(args, args.graph), args.preset, **settings_of(args.settings, own=OWN))
    show(args, expected._asdict(), expected)
