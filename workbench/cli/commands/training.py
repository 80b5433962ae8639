"""The commands around a run: load a graph, train on it, score it, list what is stored."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli.commands.output import FINE, INTERRUPTED, print_json, settings_of, show_facts, show_table
from workbench.errors import UserError

if TYPE_CHECKING:
    from torch_geometric.data import Data

    from workbench.training.run import Run


# Arguments of `fit` that are no parameters of a method.
_FIT = ("preset", "seed", "device", "fresh", "graph", "method", "callback", "store", "progress", "options")


def graphs(args: argparse.Namespace) -> int:
    """List the named graphs, or load one and describe it."""
    from workbench import datasets as graphs

    if args.graph is not None:
        graph = graphs.load_graph(args.graph)
        facts = graphs.facts(graph.name) if args.graph in graphs.names() else {}
        kept = ("title", "source", "citation", "licence", "used_by", "note")
        statistics = graphs.statistics(graph)
        show_facts({"graph": graph.name, **statistics, **{k: facts[k] for k in kept if facts.get(k)}}, args.json)
        return FINE
    from workbench.datasets.files.registry import found

    here, rows = found(Path(os.environ.get("WORKBENCH_DATA") or "data")), []
    for name in graphs.names():
        facts = graphs.facts(name)
        figures = {key: facts.get(key) for key in ("nodes", "edges", "features", "classes")}
        files = "yes" if name in here else "no" if "folder" in facts or "npz" in facts else "none needed"
        rows.append({"graph": name, **figures, "files here": files, "source": facts.get("source")})
    show_table(rows, args.json)
    return FINE


def fit(args: argparse.Namespace) -> int:
    """Train a method on a graph and store the run."""
    from workbench import methods
    from workbench.datasets import load_graph
    from workbench.evaluation import evaluate, protocols
    from workbench.training.fit import fit

    methods.get(args.method)  # a misspelt word is told before anything is loaded or trained
    if args.protocol:
        protocols.get(args.protocol)
    settings = settings_of(args.settings, own=_FIT)
    graph, started = load_graph(args.graph), time.time()
    run = fit(args.method, graph, args.preset, args.seed, device=args.device, fresh=args.fresh, **settings)
    loaded = run.path is not None and (run.path / "run.json").stat().st_mtime < started
    facts = {**_facts_of(run), "loaded": loaded}
    lines = [_summary(run, loaded)]
    if args.protocol and run.complete:
        scores = evaluate(run, graph, args.protocol)
        facts["scores"] = scores.as_dict()
        lines.append(str(scores))
    elif run.complete:
        lines.append(
            f"next: workbench evaluate {run.path}{'' if args.graph == run.graph else f' --graph {args.graph}'}"
        )
    if args.json:
        print_json(facts)
    else:
        print("\n".join(lines), flush=True)
    if not run.complete:
        print(f"workbench: interrupted; the same command goes on after epoch {run.epochs}", file=sys.stderr)
        return INTERRUPTED
    return FINE


def forecast(args: argparse.Namespace) -> int:
    """Predict the peak memory of a fit on this machine's CPU."""
    import dataclasses

    from workbench import methods
    from workbench.datasets import load_graph
    from workbench.training.memory import forecast

    methods.get(args.method)
    expected = forecast(args.method, load_graph(args.graph), args.preset, **settings_of(args.settings, own=_FIT))
    if args.json:
        print_json(dataclasses.asdict(expected))
    else:
        print(expected)
    return FINE


def evaluate(args: argparse.Namespace) -> int:
    """Score a stored run, on request beside the floors."""
    from workbench.evaluation import compare, evaluate, format, protocols
    from workbench.training import store as runs

    protocols.get(args.protocol)
    run = runs.load(runs.find(args.run_name))
    graph = _graph_of(run, args.graph)
    options = {"protocol": args.protocol, "splits": args.splits, "seed": args.seed, "solver": args.solver}
    if args.floors:
        table = compare(run, graph, floors=True, **options)
        show_table(table if args.json else format(table), args.json)
        return FINE
    scores = evaluate(run, graph, **options)
    if args.json:
        print_json({**_facts_of(run), "scores": scores.as_dict()})
    else:
        print(f"{run.method} on {run.graph}, preset {run.preset}, training seed {run.seed}: {scores}")
    return FINE


def runs(args: argparse.Namespace) -> int:
    """List the stored runs."""
    from workbench.training import store as runs

    table = runs.table(args.root)
    if not args.json and table.empty:
        print(f"no run is stored in {runs.root(args.root)}; train one, e.g. workbench fit grace pydocs --preset quick")
        return FINE
    show_table(table if args.json else table.round({"seconds": 1, "peak_mib": 0}), args.json)
    return FINE


def _graph_of(run: "Run", source: str | None) -> "Data":
    """Load the graph that a run was trained on, and make sure that it is that one."""
    from workbench.datasets import content_hash, load_graph

    try:
        graph = load_graph(source or run.graph)
    except UserError as error:
        hint = "" if source else f" (the run was trained on {run.graph!r}; --graph says where it is)"
        raise UserError(f"{error}{hint}") from None
    if content_hash(graph) != run.graph_hash:
        raise UserError(
            f"{source or run.graph!r} is not the graph that this run was trained on: their contents differ; "
            "--graph names the right one"
        )
    return graph


def _facts_of(run: "Run") -> dict[str, Any]:
    last = run.history.iloc[-1].to_dict() if run.epochs else {}
    facts = {name: getattr(run, name) for name in ("method", "graph", "preset", "seed", "config", "epochs", "seconds")}
    facts |= {"losses": {name: value for name, value in last.items() if name != "seconds"}}
    return facts | {name: getattr(run, name) for name in ("peak_mib", "device", "complete", "path")}


def _summary(run: "Run", loaded: bool) -> str:
    how = "; loaded from the store, --fresh trains again" if loaded else ""
    state = "" if run.complete else f" of {run.config.epochs}"
    loss = f", loss {run.history['loss'].iloc[-1]:.4f}" if run.epochs else ", untrained"
    return (
        f"{run.method} on {run.graph}, preset {run.preset}, seed {run.seed}: {run.epochs}{state} epochs in "
        f"{run.seconds:.1f} s, peak {run.peak_mib:.0f} MiB on {run.device}{loss}; {run.path or 'not stored'}{how}"
    )
