"""Measure the embedding of a stored run without labels, and against another run's."""

from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, add_graph, add_run, facts_of, graph_of, show


def add(option: Option) -> None:
    add_run(option)
    option("--other", metavar="RUN", help="another run on the same graph, e.g. of another seed, to agree with")
    option("--k", type=int, default=10, help="nearest nodes that are to agree (default: %(default)s)")
    option("--seed", type=int, default=0, help="of the rows that are drawn (default: %(default)s)")
    add_graph(option)


def run(args: Namespace) -> None:
    run = wb.runs.load(wb.runs.find(args.run_name))
    other = wb.runs.load(wb.runs.find(args.other)) if args.other else None
    quality = wb.quality(run, graph_of(run, args), other, args.k, args.seed)
    text = f"{run.method} on {run.graph}, preset {run.preset}, training seed {run.seed}: {quality}"
    show(args, {**facts_of(run), "quality": quality.as_dict()}, text)
