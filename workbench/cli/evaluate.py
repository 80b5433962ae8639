"""Score a stored run, on request beside the baselines."""

import argparse

from workbench.cli.output import add_run, facts_of, show, show_table
from workbench.errors import UserError

KEPT = "the run is stored as before"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_run(parser)
    parser.add_argument("--protocol", help="default: the one of this kind of data, random-10-10-80 for nodes")
    parser.add_argument("--splits", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the splits (default: %(default)s)")
    parser.add_argument("--solver", help="liblinear or fast (default: the protocol's own)")
    beside = "beside what trains nothing, such as raw attributes, and the untrained encoder"
    parser.add_argument("--baselines", action="store_true", help=beside)
    parser.add_argument("--graph", metavar="GRAPH", help="where the graph is, if it has no name of its own")


def run(args: argparse.Namespace) -> int:
    """Print the scores of one run."""
    from workbench.datasets import load_graph
    from workbench.evaluation import check_same, compare, evaluate, format, protocols
    from workbench.training import store as runs

    if args.protocol:
        protocols.get(args.protocol)  # a misspelt word is told before anything is loaded
    run = runs.load(runs.find(args.run_name))
    try:
        graph = load_graph(args.graph or run.graph)
    except UserError as error:
        hint = "" if args.graph else f" (the run was trained on {run.graph!r}; --graph says where it is)"
        raise UserError(f"{error}{hint}") from None
    check_same(run, graph)
    options = {"protocol": args.protocol, "splits": args.splits, "seed": args.seed, "solver": args.solver}
    if args.baselines:
        table = compare(run, graph, **options)
        return show_table(table if args.json else format(table), args.json)
    scores = evaluate(run, graph, **options)
    text = f"{run.method} on {run.graph}, preset {run.preset}, training seed {run.seed}: {scores}"
    return show(args, {**facts_of(run), "scores": scores.as_dict()}, text)
