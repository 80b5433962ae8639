"""List the nodes that are nearest to one in a stored run's embedding, by name or number."""

import warnings
from argparse import Namespace
from typing import Any

import workbench as wb
from workbench.cli.output import Option, add_graph, add_run, graph_of, print_json, show_table, visible
from workbench.errors import UserError


def add(option: Option) -> None:
    add_run(option)
    option("node", metavar="NODE", help="its name, or its number where nodes have no names")
    option("-k", type=int, default=10, help="how many (default: %(default)s)")
    add_graph(option)


def run(args: Namespace) -> None:
    from workbench.evaluation.neighbourhoods import found_node

    run = wb.runs.load(wb.runs.find(args.run_name))
    graph, without = None, ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a file lacks was told when the run was trained on it
            graph = graph_of(run, args)
    except UserError:
        if args.graph:
            raise
        without = f"without classes and hops: no graph found as {run.graph!r} is the run's own; --graph names its file"
    near = wb.neighbours(run, args.node, args.k, graph)
    names = run.names or (graph.get("node_names") if graph is not None and hasattr(graph, "get") else None)
    number = found_node(args.node, names, len(run.embeddings))
    asked: dict[str, Any] = {"node": number} | ({} if names is None else {"name": str(names[number])})
    if args.json:
        facts = {"method": run.method, "graph": run.graph, "path": run.path, "asked": asked, "without": without or None}
        print_json({**facts, "neighbours": near})
        return
    called = f"node {number}" + (f" ({names[number]})" if names is not None else "")
    print(visible(f"nearest to {called} by {run.method} on {run.graph}, preset {run.preset}, seed {run.seed}"))
    show_table(near)
    if without:
        print(visible(without))
