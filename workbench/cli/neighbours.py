"""List the nodes that are nearest to one in a stored run's embedding, by name or number."""

import warnings
from argparse import Namespace
from typing import Any

import workbench as wb
from workbench.cli.output import Option, add_graph, add_run, graph_of, print_json, show_table, visible
from workbench.errors import UserError


def add(option: Option) -> None:
    add_run(option)
    option("node", metavar="NODE", help="its name or id, or its number where nodes have none")
    option("-k", type=int, default=10, help="how many (default: %(default)s)")
    add_graph(option)


def run(args: Namespace) -> None:
    from workbench.evaluation.neighbourhoods import called, found_node

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
    names, ids = called(run, graph)
    number = found_node(args.node, names, len(run.embeddings), ids)
    asked: dict[str, Any] = {"node": number} | ({} if names is None else {"name": names[number]})
    asked |= {} if ids is None else {"id": ids[number]}
    if args.json:
        facts = {"method": run.method, "graph": run.graph, "path": run.path, "asked": asked, "without": without or None}
        print_json({**facts, "neighbours": near})
        return
    who = f"node {number}" + (f" ({asked['name']})" if "name" in asked else "")
    who += f", id {asked['id']}," if "id" in asked else ""
    print(visible(f"nearest to {who} by {run.method} on {run.graph}, preset {run.preset}, seed {run.seed}"))
    show_table(near)
    if without:
        print(visible(without))
