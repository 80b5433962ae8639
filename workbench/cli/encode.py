"""Embed nodes or graphs that training never saw, by a stored run's encoder."""

from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, add_reading, add_run, check_out, load, show


def add(option: Option) -> None:
    add_run(option)
    option("data", metavar="GRAPH", help="a name or a file, with the attribute columns of the training")
    add_reading(option)
    option("--out", metavar="FILE", required=True, help="embeddings as .csv or .parquet, with names")


def run(args: Namespace) -> None:
    from workbench.datasets.kinds import kind_of
    from workbench.training.export import table_of

    check_out(args.out)
    run, data = wb.runs.load(wb.runs.find(args.run_name)), load(args, args.data)
    embeddings, names = run.encode(data), kind_of(data).names_of(data)
    by_item = embeddings if isinstance(embeddings, dict) else {"": embeddings}
    files = [str(table_of(matrix, names, args.out, item)) for item, matrix in by_item.items()]
    shapes = [list(matrix.shape) for matrix in by_item.values()]
    facts = {"method": run.method, "trained_on": run.graph, "encoded": args.data, "shapes": shapes, "files": files}
    sizes = ", ".join(" x ".join(f"{size:,}" for size in shape) for shape in shapes)
    text = f"{args.data} embedded by {run.method} as trained on {run.graph}: {sizes}; {', '.join(files)}"
    show(args, facts, text)
