"""Recommend items to one user by a stored run, and say what their scores are made of."""

from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, add_graph, add_run, facts_of, graph_of, print_json, say, show_table


def add(option: Option) -> None:
    add_run(option)
    option("user", type=int, metavar="USER", help="number of the user, from 0")
    option("-k", type=int, default=10, help="how many items (default: %(default)s)")
    option("--reasons", type=int, default=3, help="parts of a score that are told (default: %(default)s)")
    add_graph(option)


def run(args: Namespace) -> None:
    run = wb.runs.load(wb.runs.find(args.run_name))
    found = wb.recommend(run, graph_of(run, args), args.user, args.k, args.reasons)
    if args.json:
        facts = {"user": found.user, "items": found.items.to_dict("records")}
        print_json({**facts_of(run), **facts, "reasons": found.reasons.to_dict("records")})
        return
    say(f"user {found.user}, by {run.method} on {run.graph}, preset {run.preset}, seed {run.seed}; the parts add up")
    show_table(found.items.round(3))
