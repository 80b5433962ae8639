"""Train with negatives of several samplers and numbers, beside random ones and all: a short form of `study run`."""

import argparse

from workbench.cli.output import add_settings, settings_of
from workbench.cli.study import KEPT as KEPT
from workbench.cli.study import conduct


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_option = parser.add_argument
    add_option("graphs", nargs="+", metavar="GRAPH", help="names or files")
    samplers = "beside all and uniform; 'every' for each there is (default: hop-far hop-near)"
    add_option("--samplers", nargs="+", default=["hop-far", "hop-near"], metavar="SAMPLER", help=samplers)
    ks = [4, 16, 64, 256]
    add_option("--k", nargs="+", type=int, default=ks, metavar="K", help="numbers (default: 4 16 64 256)")
    objectives = "infonce, dcl, dclw, cacr"
    add_option("--objectives", nargs="+", default=["infonce"], metavar="OBJECTIVE", help=objectives)
    add_option("--seeds", type=int, default=5, help="training seeds of each condition (default: %(default)s)")
    add_option("--method", default="grace", help="default: %(default)s")
    add_option("--preset", default="quick", help="default: %(default)s")
    add_option("--protocol", default="random-10-10-80", help="default: %(default)s")
    add_settings(parser, "a setting of all, -p epochs=50")
    add_option("--out", metavar="FILE", help="add the rows to this CSV")


def run(args: argparse.Namespace) -> int:
    """Run the study "negatives" with these samplers, numbers and objectives."""
    from workbench import negatives, studies

    own = ("seeds", "method", "preset", "protocol", "samplers", "ks", "objectives", "negatives", "objective", "seed")
    settings = settings_of(args.settings, own=own)
    samplers = negatives.names() if args.samplers == ["every"] else args.samplers
    options = {"samplers": samplers, "ks": args.k, "objectives": args.objectives}
    changes = {name: getattr(args, name) for name in ("seeds", "method", "preset", "protocol")}
    return conduct(args, studies.load("negatives", **options, **changes, **settings), args.graphs, args.out)
