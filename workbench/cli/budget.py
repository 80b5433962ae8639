"""Train with negatives of several strategies and numbers, beside random ones and all."""

import argparse
import inspect

from workbench.cli.output import FINE, add_json, add_settings, check_out, print_json, settings_of, show_table
from workbench.errors import UserError

KEPT = "the trainings that were finished are stored; the same command goes on"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)
    parser.add_argument("graphs", nargs="+", metavar="GRAPH", help="names or files")
    parser.add_argument(
        "--strategies",
        nargs="+",
        default=["hop-far", "hop-near"],
        metavar="STRATEGY",
        help="beside all and uniform; 'every' for each there is (default: hop-far hop-near)",
    )
    parser.add_argument(
        "--k", nargs="+", type=int, default=[4, 16, 64, 256], metavar="K", help="numbers (default: 4 16 64 256)"
    )
    parser.add_argument(
        "--objectives", nargs="+", default=["infonce"], metavar="OBJECTIVE", help="infonce, dcl, dclw, cacr"
    )
    parser.add_argument("--seeds", type=int, default=5, help="training seeds of each arm (default: %(default)s)")
    parser.add_argument("--method", default="grace", help="default: %(default)s")
    parser.add_argument("--preset", default="quick", help="default: %(default)s")
    parser.add_argument("--protocol", default="random-10-10-80", help="default: %(default)s")
    add_settings(parser, "a setting of all, -p epochs=50")
    parser.add_argument("--out", metavar="FILE", help="write each training's row as CSV")


def run(args: argparse.Namespace) -> int:
    """Print the table of all trainings, the differences and what follows."""
    import pandas as pd

    from workbench.contrast.negatives import selection
    from workbench.datasets import load_graph
    from workbench.studies import budget

    check_out(args.out)
    if len(set(args.graphs)) < len(args.graphs):
        raise UserError("a graph is named twice; each is trained on once")
    settings = settings_of(args.settings, own=(*inspect.signature(budget.run).parameters, "k", "seed", "options"))
    strategies = (
        [one for one in selection.names() if one != budget.ALL] if args.strategies == ["every"] else args.strategies
    )
    loaded = [load_graph(word) for word in args.graphs]  # a misspelt one is told before anything is trained
    found = [
        budget.run(
            graph, strategies, args.k, args.seeds, args.method, args.preset, args.objectives, args.protocol, **settings
        )
        for graph in loaded
    ]
    rows = pd.concat(found, ignore_index=True)
    if args.out:
        rows.to_csv(args.out, index=False, float_format="%.6g")
    table, gaps, claims = budget.summary(rows), budget.differences(rows), budget.claims(rows)
    if args.json:
        print_json({name: one.to_dict("records") for name, one in
                    {"runs": rows, "summary": table, "differences": gaps, "claims": claims}.items()})  # fmt: skip
        return FINE
    print(f"{args.method}, preset {args.preset}, {args.seeds} training seeds, {args.protocol}; accuracy in percent\n")
    show_table(table.round(2), as_json=False)
    print("\nfirst minus second, percentage points, 95 % t interval over the training seeds\n")
    show_table(gaps.round(2), as_json=False)
    print("\nclaims\n")
    show_table(claims.drop(columns=["first", "second"]).round(2), as_json=False)
    return FINE
