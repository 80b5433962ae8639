"""List the named graphs, or load one and describe it."""

import argparse
import os
from pathlib import Path

from workbench.cli.output import FINE, add_json, show_facts, show_table


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)
    parser.add_argument("graph", nargs="?", metavar="GRAPH", help="a name or a file; without it, list the names")


def run(args: argparse.Namespace) -> int:
    """Print what is known of one graph or of all."""
    from workbench import datasets as graphs

    if args.graph is not None:
        graph = graphs.load_graph(args.graph)
        facts = graphs.facts(graph.name) if args.graph in graphs.names() else {}
        kept = ("title", "source", "citation", "licence", "used_by", "note")
        statistics = graphs.statistics(graph)
        show_facts({"graph": graph.name, **statistics, **{k: facts[k] for k in kept if facts.get(k)}}, args.json)
        return FINE
    from workbench.datasets.files.registry import present

    here, rows = present(Path(os.environ.get("WORKBENCH_DATA") or "data")), []
    for name in graphs.names():
        facts = graphs.facts(name)
        figures = {key: facts.get(key) for key in ("nodes", "edges", "features", "classes")}
        files = "yes" if name in here else "no" if "folder" in facts or "npz" in facts else "none needed"
        rows.append({"graph": name, **figures, "files here": files, "source": facts.get("source")})
    show_table(rows, args.json)
    return FINE
