"""Score a stored run, on request beside the floors."""

import argparse
from typing import TYPE_CHECKING

from workbench.cli.output import FINE, add_json, facts_of, print_json, show_table
from workbench.errors import UserError

if TYPE_CHECKING:
    from torch_geometric.data import Data

    from workbench.training.run import Run

KEPT = "the run is stored as before"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)
    parser.add_argument(
        "run_name", metavar="RUN", help="folder of a run, start of its key, or METHOD/GRAPH for the newest"
    )
    parser.add_argument("--protocol", default="random-10-10-80", help="default: %(default)s")
    parser.add_argument("--splits", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the splits (default: %(default)s)")
    parser.add_argument("--solver", help="liblinear or fast (default: the protocol's own)")
    parser.add_argument(
        "--floors", action="store_true", help="beside raw and propagated attributes and an untrained encoder"
    )
    parser.add_argument("--graph", metavar="GRAPH", help="where the graph is, if it has no name of its own")


def run(args: argparse.Namespace) -> int:
    """Print the scores of one run."""
    from workbench.evaluation import compare, evaluate, format, protocols
    from workbench.training import store as runs

    protocols.get(args.protocol)
    run = runs.load(runs.find(args.run_name))
    graph = _graph_of(run, args.graph)
    options = {"protocol": args.protocol, "splits": args.splits, "seed": args.seed, "solver": args.solver}
    if args.floors:
        table = compare(run, graph, **options)
        show_table(table if args.json else format(table), args.json)
        return FINE
    scores = evaluate(run, graph, **options)
    if args.json:
        print_json({**facts_of(run), "scores": scores.as_dict()})
    else:
        print(f"{run.method} on {run.graph}, preset {run.preset}, training seed {run.seed}: {scores}")
    return FINE


def _graph_of(run: "Run", source: str | None) -> "Data":
    """Load the graph that a run was trained on, and make sure that it is that one."""
    from workbench.datasets import content_hash, load_graph

    try:
        graph = load_graph(source or run.graph)
    except UserError as error:
        hint = "" if source else f" (the run was trained on {run.graph!r}; --graph says where it is)"
        raise UserError(f"{error}{hint}") from None
    if content_hash(graph) != run.graph_hash:
        raise UserError(
            f"{source or run.graph!r} is not the graph that this run was trained on: their contents differ; "
            "--graph names the right one"
        )
    return graph
