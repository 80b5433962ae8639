"""The commands around negatives."""

import argparse

from workbench.commands.output import FINE, print_json, show_table
from workbench.errors import UserError


def select(args: argparse.Namespace) -> int:
    """Choose negatives by a strategy and say why each was chosen."""
    from workbench.contrast import selection
    from workbench.graphs import load_graph

    selection.STRATEGIES.get(args.strategy)
    graph = load_graph(args.graph)
    chosen = selection.select(args.strategy, graph, args.k, args.seed)
    reasons = chosen.reasons
    if args.anchor is not None:
        if args.anchor not in chosen.anchors.tolist():
            raise UserError(f"node {args.anchor} is no anchor of {args.strategy!r} on {graph.name}, seed {args.seed}")
        listed = "anchor" in reasons  # else one list serves all anchors, and none is its own negative
        reasons = reasons[reasons["anchor"] == args.anchor] if listed else reasons[reasons["negative"] != args.anchor]
    if args.json:
        arrays = {name: getattr(chosen, name) for name in ("anchors", "negatives", "weights")}
        print_json({**arrays, "reasons": reasons.to_dict("records")})
        return FINE
    each = f"{chosen.negatives.shape[-1]} negatives {'shared by all' if chosen.negatives.dim() == 1 else 'each'}"
    print(f"{args.strategy} on {graph.name}, seed {args.seed}: {len(chosen.anchors)} anchors, {each}")
    show_table(reasons.head(args.rows), as_json=False)
    if len(reasons) > args.rows:
        print(f"... and {len(reasons) - args.rows} more; --rows N shows more, --json all")
    return FINE
