"""List the named graphs and sets of data, or load one and describe it."""

import argparse
import os
from pathlib import Path

from workbench.cli.output import show_facts, show_table


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("graph", nargs="?", metavar="GRAPH", help="a name or a file; without it, list the names")


def run(args: argparse.Namespace) -> int:
    """Print what is known of one graph or of all."""
    from workbench import datasets as graphs
    from workbench.datasets.files.registry import kind_of_row, present

    if args.graph is not None:
        from workbench.datasets.kinds import kind_of

        data = graphs.load_graph(args.graph)
        kind = kind_of(data)
        known = graphs.facts(data.name) if args.graph in graphs.names() else {}
        if kind.name == "nodes":
            figures = graphs.statistics(data)
        else:
            shape = kind.shape(data)
            sizes = {name: count for name, count in kind.sizes(data).items() if f"{name}s" not in shape}
            figures = {**sizes, **shape, **kind.entries(data), "hash": kind.content_hash(data)}
        rest = {
            name: known[name]
            for name in ("title", "source", "citation", "licence", "used_by", "note")
            if known.get(name)
        }
        return show_facts({"graph": data.name, "kind": kind.name, **figures, **rest}, args.json)
    here, rows = present(Path(os.environ.get("WORKBENCH_DATA") or "data")), []
    for name in graphs.names():
        facts = graphs.facts(name)
        figures = {key: facts.get(key) for key in ("nodes", "edges", "features", "classes")}
        files = "yes" if name in here else "no" if "folder" in facts or "npz" in facts else "none needed"
        first = {"graph": name, "kind": kind_of_row(facts)}
        rows.append({**first, **figures, "files here": files, "source": facts.get("source")})
    return show_table(rows, args.json)
