"""List the named graphs and sets of data, or load one and describe it."""

import os
import warnings
from argparse import Namespace
from pathlib import Path

import workbench as wb
from workbench.cli.output import Option, add_reading, load, print_json, show, show_facts, show_table


def add(option: Option) -> None:
    option("graph", nargs="?", metavar="GRAPH", help="a name or a file; without it, list the names")
    add_reading(option)


def run(args: Namespace) -> None:
    from workbench.datasets.files.registry import kind_of_row, present

    if args.graph is not None:
        from workbench.datasets.attributes import form_of
        from workbench.datasets.kinds import kind_of

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the report says it
            data = load(args, args.graph)
        kind = kind_of(data)
        known = wb.graphs.facts(data.name) if args.graph in wb.graphs.names() else {}
        if kind.name == "nodes":
            figures = {**wb.graphs.statistics(data), "attributes": form_of(data.x)}
        else:
            shape = kind.shape(data)
            sizes = {name: count for name, count in kind.sizes(data).items() if f"{name}s" not in shape}
            figures = {**sizes, **shape, **kind.entries(data), "hash": kind.content_hash(data)}
        told = ("title", "source", "citation", "licence", "used_by", "note")
        rest = {name: known[name] for name in told if known.get(name)}
        facts = {"graph": data.name, "kind": kind.name, **figures, **rest}
        report = data.get("report") if kind.name == "nodes" else None
        if args.json:
            print_json({**facts, **({"report": report.table(), "columns": report.columns} if report else {})})
            return
        show_facts(facts)
        if report:
            print()
            show(args, None, report.text)
        return
    here, rows = present(Path(os.environ.get("WORKBENCH_DATA") or "data")), []
    for name in wb.graphs.names():
        facts = wb.graphs.facts(name)
        figures = {key: facts.get(key) for key in ("nodes", "edges", "features", "classes")}
        files = "yes" if name in here else "no" if "folder" in facts or "npz" in facts else "none needed"
        first = {"graph": name, "kind": kind_of_row(facts)}
        rows.append({**first, **figures, "files here": files, "source": facts.get("source")})
    show_table(rows, args.json)
