"""Predict the peak memory and the time of a fit on this machine."""

import argparse

from workbench.cli.fit import OWN
from workbench.cli.output import FINE, add_json, add_settings, print_json, settings_of


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("graph", metavar="GRAPH", help="a name or a file")
    parser.add_argument("--preset", help="as for fit")
    add_settings(parser, "a setting, e.g. -p epochs=50")
    parser.add_argument("--device", help="as for fit; only the cpu can be forecast")


def run(args: argparse.Namespace) -> int:
    """Print the forecast of one fit."""
    from workbench import methods
    from workbench.datasets import load_graph
    from workbench.training.forecasting import forecast

    methods.get(args.method)
    settings = settings_of(args.settings, own=OWN)
    expected = forecast(args.method, load_graph(args.graph), args.preset, device=args.device, **settings)
    if args.json:
        facts = {name: getattr(expected, name) for name in ("method", "graph", "nodes", "preset", "config")}
        forms = {row.pop("form"): row for row in expected.rows.to_dict("records")}
        print_json({**facts, "forms": forms, "available_mib": expected.available_mib, "note": expected.note})
    else:
        print(expected)
    return FINE
