"""The commands around negatives."""

import argparse
from pathlib import Path

from workbench.commands.output import FINE, print_json, settings_of, show_table
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


def budget(args: argparse.Namespace) -> int:
    """Train with negatives of several strategies and numbers, beside random ones and all."""
    import pandas as pd

    from workbench import budget
    from workbench.contrast import selection
    from workbench.graphs import load_graph

    if args.out and not Path(args.out).resolve().parent.is_dir():
        raise UserError(f"--out {args.out!r} lies in a folder that does not exist")
    settings = settings_of(args.settings, own=("negatives", "k", "objective", "preset", "seed"))
    strategies = (
        [one for one in selection.names() if one != budget.ALL] if args.strategies == ["every"] else args.strategies
    )
    loaded = [load_graph(word) for word in args.graphs]  # a misspelt one is told before anything is trained
    found = [
        budget.run(
            graph, strategies, args.k, args.seeds, args.method, args.preset, args.objectives, args.protocol, **settings
        )
        for graph in loaded
    ]
    rows = pd.concat(found, ignore_index=True)
    if args.out:
        rows.to_csv(args.out, index=False, float_format="%.6g")
    table, gaps = budget.summary(rows), budget.differences(rows)
    if args.json:
        print_json({name: one.to_dict("records") for name, one in
                    {"runs": rows, "summary": table, "differences": gaps}.items()})  # fmt: skip
        return FINE
    print(f"{args.method}, preset {args.preset}, {args.seeds} training seeds, {args.protocol}; accuracy in percent\n")
    show_table(table.round(2), as_json=False)
    print("\nfirst minus second, percentage points, 95 % t interval over the training seeds\n")
    show_table(gaps.round(2), as_json=False)
    return FINE
