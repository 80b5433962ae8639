"""Train with negatives of several samplers and numbers, beside random ones and all: a short form of `study run`."""

from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, add_settings, settings_of
from workbench.cli.study import KEPT as KEPT
from workbench.cli.study import conduct


def add(option: Option) -> None:
    option("graphs", nargs="+", metavar="GRAPH", help="names or files")
    about = "beside all and uniform; 'every' for each there is (default: hop-far hop-near)"
    option("--samplers", nargs="+", default=["hop-far", "hop-near"], metavar="SAMPLER", help=about)
    about = "numbers (default: 4 16 64 256)"
    option("--k", dest="ks", nargs="+", type=int, default=[4, 16, 64, 256], metavar="K", help=about)
    option("--objectives", nargs="+", default=["infonce"], metavar="OBJECTIVE", help="infonce, dcl, dclw, cacr")
    option("--seeds", type=int, default=5, help="training seeds of each condition (default: %(default)s)")
    option("--method", default="grace", help="default: %(default)s")
    option("--preset", default="quick", help="default: %(default)s")
    option("--protocol", default="random-10-10-80", help="default: %(default)s")
    add_settings(option, "a setting of all, -p epochs=50")
    option("--out", metavar="FILE", help="add the rows to this CSV")


def run(args: Namespace) -> int:
    own = ("samplers", "ks", "objectives", "seeds", "method", "preset", "protocol")
    settings = settings_of(args.settings, own=(*own, "negatives", "objective", "seed"))
    if args.samplers == ["every"]:
        args.samplers = wb.negatives.names()
    changes = {name: getattr(args, name) for name in own}
    return conduct(args, wb.studies.load("negatives", **changes, **settings), args.graphs, args.out)
