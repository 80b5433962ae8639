"""Choose negatives by a sampler and say why each was chosen."""

from argparse import Namespace
from typing import Any

import workbench as wb
from workbench.cli.output import Option, add_reading, add_settings, load, print_json, say, settings_of, show_table
from workbench.errors import UserError


def add(option: Option) -> None:
    option("sampler", metavar="SAMPLER")
    option("graph", metavar="GRAPH", help="a name or a file")
    add_reading(option)
    option("--k", type=int, help="negatives for each anchor (default: 50, or half of a small graph's nodes)")
    option("--seed", type=int, default=0, help="default: %(default)s")
    option("--anchor", type=int, metavar="NODE", help="choose for this anchor only")
    option("--explain", action="store_true", help="say why in a sentence; with --anchor also what each is like")
    add_settings(option, "an option of it, e.g. -p hops=4")
    option("--embedding", metavar="RUN", help="take similarities from this run instead of the attributes")
    option("--rows", type=int, default=20, help="negatives to show (default: %(default)s)")


def run(args: Namespace) -> None:
    wb.negatives.SAMPLERS.get(args.sampler)  # a misspelt word is told before anything is loaded
    options = settings_of(args.settings, own=("k", "seed", "anchor", "anchors", "graph", "sampler", "embedding"))
    if args.rows < 1:
        raise UserError(f"--rows is {args.rows}; it must be 1 or more")
    graph = load(args, args.graph)
    if args.k is None:
        args.k = max(1, min(50, graph.num_nodes // 2))
    embedding = None if args.embedding is None else wb.runs.load(wb.runs.find(args.embedding))
    wb.evaluation.check_same(embedding, graph)
    asked: dict[str, Any] = {"k": args.k, "seed": args.seed, "embedding": embedding, **options}
    chosen = wb.negatives.select(args.sampler, graph, anchors=args.anchor, **asked)
    anchors, shared, each = len(chosen.anchors), chosen.shared, chosen.negatives.shape[-1]
    if args.anchor is not None:
        chosen = chosen.of(args.anchor)
    elif not shared and not args.json:  # reasons of the anchors that are shown; those of all can take a while
        chosen = wb.negatives.select(args.sampler, graph, anchors=chosen.anchors[: -(-args.rows // each)], **asked)
    reasons = chosen.reasons
    if args.explain:
        reasons = reasons.assign(because=chosen.sentences())
        if args.anchor is not None:
            kept = ["hops", "cosine", "degree", "same_class", "gradient_share", "overlap"]
            pairs = wb.audit(chosen, graph, embedding, anchors=None).pairs[kept]
            reasons = reasons.drop(columns=kept, errors="ignore").join(pairs)
    if args.json:
        arrays = {name: getattr(chosen, name) for name in ("anchors", "negatives", "weights")}
        print_json({**arrays, "reasons": reasons.to_dict("records")})
        return
    listed = f"{each} negatives {'shared by all' if shared else 'each, at most'}"
    say(f"{args.sampler} on {graph.name}, seed {args.seed}: {anchors} anchor{'s' * (anchors != 1)}, {listed}")
    show_table(reasons.head(args.rows))
    total = len(reasons) if shared or args.anchor is not None else anchors * each
    if total > args.rows:
        print(f"... and {total - args.rows:,} more; --rows N shows more, --json all")
