"""The commands around negatives."""

import argparse
import inspect
from typing import Any

from workbench.cli.commands.output import FINE, check_out, print_json, settings_of, show_table
from workbench.errors import UserError


def select(args: argparse.Namespace) -> int:
    """Choose negatives by a strategy and say why each was chosen."""
    from workbench.contrast.audit import audit
    from workbench.contrast.negatives import selection
    from workbench.datasets import content_hash, load_graph
    from workbench.training import store as runs

    selection.SAMPLERS.get(args.strategy)  # a misspelt word is told before anything is loaded
    options = settings_of(args.settings, own=("k", "seed", "anchor", "anchors", "graph", "strategy", "embedding"))
    if args.rows < 1:
        raise UserError(f"--rows is {args.rows}; it must be 1 or more")
    graph = load_graph(args.graph)
    if args.k is None:
        args.k = max(1, min(50, graph.num_nodes // 2))
    embedding = None if args.embedding is None else runs.load(runs.find(args.embedding))
    if embedding is not None and embedding.graph_hash != content_hash(graph):
        raise UserError(f"the run {args.embedding!r} was trained on another graph than {graph.name!r}")
    asked: dict[str, Any] = {"k": args.k, "seed": args.seed, "embedding": embedding, **options}
    chosen = selection.select(args.strategy, graph, anchors=args.anchor, **asked)
    anchors, shared, each = len(chosen.anchors), chosen.shared, chosen.negatives.shape[-1]
    if args.anchor is not None:
        chosen = chosen.of(args.anchor)
    elif not shared and not args.json:  # reasons of the anchors that are shown; those of all can take a while
        chosen = selection.select(args.strategy, graph, anchors=chosen.anchors[: -(-args.rows // each)], **asked)
    reasons = chosen.reasons
    if args.explain:
        told = audit(chosen, graph, embedding, anchors=None).pairs if args.anchor is not None else None
        reasons = reasons.assign(because=chosen.sentences())
        if told is not None:
            kept = ["hops", "cosine", "degree", "same_class", "gradient_share", "overlap"]
            reasons = reasons.drop(columns=[name for name in kept if name in reasons]).join(told[kept])
    if args.json:
        arrays = {name: getattr(chosen, name) for name in ("anchors", "negatives", "weights")}
        print_json({**arrays, "reasons": reasons.to_dict("records")})
        return FINE
    listed = f"{each} negatives {'shared by all' if shared else 'each, at most'}"
    print(f"{args.strategy} on {graph.name}, seed {args.seed}: {anchors} anchor{'s' * (anchors != 1)}, {listed}")
    show_table(reasons.head(args.rows), as_json=False)
    total = len(reasons) if shared or args.anchor is not None else anchors * each
    if total > args.rows:
        print(f"... and {total - args.rows:,} more; --rows N shows more, --json all")
    return FINE


def budget(args: argparse.Namespace) -> int:
    """Train with negatives of several strategies and numbers, beside random ones and all."""
    import pandas as pd

    from workbench.contrast.negatives import selection
    from workbench.datasets import load_graph
    from workbench.studies import budget

    check_out(args.out)
    if len(set(args.graphs)) < len(args.graphs):
        raise UserError("a graph is named twice; each is trained on once")
    settings = settings_of(args.settings, own=(*inspect.signature(budget.run).parameters, "k", "seed", "options"))
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
    table, gaps, claims = budget.summary(rows), budget.differences(rows), budget.claims(rows)
    if args.json:
        print_json({name: one.to_dict("records") for name, one in
                    {"runs": rows, "summary": table, "differences": gaps, "claims": claims}.items()})  # fmt: skip
        return FINE
    print(f"{args.method}, preset {args.preset}, {args.seeds} training seeds, {args.protocol}; accuracy in percent\n")
    show_table(table.round(2), as_json=False)
    print("\nfirst minus second, percentage points, 95 % t interval over the training seeds\n")
    show_table(gaps.round(2), as_json=False)
    print("\nclaims\n")
    show_table(claims.drop(columns=["first", "second"]).round(2), as_json=False)
    return FINE
