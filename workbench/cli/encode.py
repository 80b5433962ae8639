"""Embed nodes or graphs that training never saw, by a stored run's encoder."""

import sys
import warnings
from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, add_reading, add_run, check_out, load, show, visible
from workbench.errors import UserError

SHOWN = 5  # new nodes that are named


def add(option: Option) -> None:
    add_run(option)
    option("data", metavar="GRAPH", help="a name or a file, with the attribute columns of the training, in any order")
    add_reading(option)
    option("--out", metavar="FILE", required=True, help="embeddings as .csv or .parquet, with names")


def run(args: Namespace) -> None:
    from workbench.datasets.columns import structural_in
    from workbench.datasets.kinds import kind_of
    from workbench.training.export import table_of

    check_out(args.out)
    run = wb.runs.load(wb.runs.find(args.run_name))
    if not args.features and args.data not in wb.graphs.names():
        # What the edges gave for attributes in training they give here; what else a file holds was not looked at there.
        args.features = ",".join(structural_in(run.columns or [])) or None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.filterwarnings("ignore", "Sparse CSR tensor support")  # what torch says of itself
        try:
            data = load(args, args.data)
            embeddings, names = run.encode(data), kind_of(data).names_of(data)
            ids = kind_of(data).names_of(data, "node_ids")
        except UserError:
            _tell(_notes(caught))  # what was left out of a file is often why
            raise
    notes = _notes(caught)
    by_item = embeddings if isinstance(embeddings, dict) else {"": embeddings}
    files = [str(table_of(matrix, names, args.out, item, ids)) for item, matrix in by_item.items()]
    shapes = [list(matrix.shape) for matrix in by_item.values()]
    facts = {"method": run.method, "trained_on": run.graph, "encoded": args.data, "shapes": shapes, "files": files}
    sizes = ", ".join(" x ".join(f"{size:,}" for size in shape) for shape in shapes)
    lines = [f"{args.data} embedded by {run.method} as trained on {run.graph}: {sizes}; {', '.join(files)}"]
    here, there = run.called_alike(data)
    if here is not None and there is not None:
        known, kept = set(there), set(here)
        new = [name for name, key in zip(names or here, here, strict=True) if key not in known]
        gone = sorted(name for name, key in zip(run.names or there, there, strict=True) if key not in kept)
        facts |= {"known": len(here) - len(new), "new": new, "gone": gone}
        lines.append(f"{len(here) - len(new):,} nodes that training knew, {_some(new, 'new')}, {_some(gone, 'gone')}")
    show(args, facts | {"notes": notes}, "\n".join(lines))
    _tell([] if args.json else notes)


def _notes(caught: list[warnings.WarningMessage]) -> list[str]:
    return [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]


def _tell(notes: list[str]) -> None:
    for note in notes:
        print(f"workbench: {visible(note)}", file=sys.stderr)


def _some(names: list[str], what: str) -> str:
    """Return how many nodes are new or gone, with the names of a few."""
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return f"{len(names):,} {what}" + (f" ({shown})" if names else "")
