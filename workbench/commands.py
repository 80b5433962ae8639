"""What each command of the command line does: call the library, print one honest result, return the exit code.

Nothing heavy is imported before a command needs it.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from workbench.errors import UserError, unknown

if TYPE_CHECKING:
    import pandas as pd
    from torch_geometric.data import Data

    from workbench.runs import Run

FINE, FAILED, USER_MISTAKE, INTERRUPTED = 0, 1, 2, 130


def graphs(args: argparse.Namespace) -> int:
    """List the named graphs, or load one and describe it."""
    from workbench import graphs

    if args.graph is not None:
        graph = graphs.load_graph(args.graph)
        facts = graphs.facts(graph.name) if args.graph in graphs.names() else {}
        kept = ("title", "source", "citation", "licence", "used_by", "note")
        statistics = graphs.statistics(graph)
        _show_facts({"graph": graph.name, **statistics, **{k: facts[k] for k in kept if facts.get(k)}}, args.json)
        return FINE
    from workbench.graphs.catalogue import found

    here, rows = found(Path(os.environ.get("WORKBENCH_DATA") or "data")), []
    for name in graphs.names():
        facts = graphs.facts(name)
        figures = {key: facts.get(key) for key in ("nodes", "edges", "features", "classes")}
        files = "yes" if name in here else "no" if "folder" in facts or "npz" in facts else "none needed"
        rows.append({"graph": name, **figures, "files here": files, "source": facts.get("source")})
    _show_table(rows, args.json)
    return FINE


def fit(args: argparse.Namespace) -> int:
    """Train a method on a graph and store the run."""
    from workbench import methods
    from workbench.evaluation import evaluate, protocols
    from workbench.graphs import load_graph
    from workbench.training import fit

    methods.get(args.method)  # a misspelt word is told before anything is loaded or trained
    if args.protocol:
        protocols.get(args.protocol)
    settings = _settings(args.settings, own=("preset", "seed", "device", "fresh", "graph", "method"))
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
        _print_json(facts)
    else:
        print("\n".join(lines), flush=True)
    if not run.complete:
        print(f"workbench: interrupted; the same command goes on after epoch {run.epochs}", file=sys.stderr)
        return INTERRUPTED
    return FINE


def evaluate(args: argparse.Namespace) -> int:
    """Score a stored run, on request beside the floors."""
    from workbench import runs
    from workbench.evaluation import compare, evaluate, format, protocols

    protocols.get(args.protocol)
    run = runs.load(runs.find(args.run_name))
    graph = _graph_of(run, args.graph)
    options = {"protocol": args.protocol, "splits": args.splits, "seed": args.seed, "solver": args.solver}
    if args.floors:
        table = compare(run, graph, floors=True, **options)
        _show_table(table if args.json else format(table), args.json)
        return FINE
    scores = evaluate(run, graph, **options)
    if args.json:
        _print_json({**_facts_of(run), "scores": scores.as_dict()})
    else:
        print(f"{run.method} on {run.graph}, preset {run.preset}, training seed {run.seed}: {scores}")
    return FINE


def runs(args: argparse.Namespace) -> int:
    """List the stored runs."""
    from workbench import runs

    table = runs.table(args.root)
    if not args.json and table.empty:
        print(f"no run is stored in {runs.root(args.root)}; train one, e.g. workbench fit grace pydocs --preset quick")
        return FINE
    _show_table(table if args.json else table.round({"seconds": 1, "peak_mib": 0}), args.json)
    return FINE


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
        _print_json({**arrays, "reasons": reasons.to_dict("records")})
        return FINE
    each = f"{chosen.negatives.shape[-1]} negatives {'shared by all' if chosen.negatives.dim() == 1 else 'each'}"
    print(f"{args.strategy} on {graph.name}, seed {args.seed}: {len(chosen.anchors)} anchors, {each}")
    _show_table(reasons.head(args.rows), as_json=False)
    if len(reasons) > args.rows:
        print(f"... and {len(reasons) - args.rows} more; --rows N shows more, --json all")
    return FINE


def rules(args: argparse.Namespace) -> int:
    """List or show named rules, evaluate a rule on a graph, or train Str-GCL with and without what rules say."""
    actions = {"list": (_list_rules, ""), "show": (_show_rule, "RULE"), "eval": (_eval_rule, "RULE GRAPH"),
               "placebo": (_placebo, "GRAPH ...")}  # fmt: skip
    if args.action not in actions:
        raise unknown("action", args.action, actions, "of workbench rules")
    run, wanted = actions[args.action]
    given = len(args.words)
    if given < len(wanted.replace(" ...", "").split()) or (given > len(wanted.split()) and "..." not in wanted):
        raise UserError(f"workbench rules {args.action} takes {wanted or 'nothing more'}, and {given} words were given")
    return run(args)


def _list_rules(args: argparse.Namespace) -> int:
    from workbench import rules

    found = [rules.get(name) for name in rules.names()]
    if args.json:
        _print_json([vars(rule) for rule in found])
    else:
        _show_table([{"rule": rule.name, "what it says": rule.says} for rule in found], as_json=False)
    return FINE


def _show_rule(args: argparse.Namespace) -> int:
    from workbench import rules

    tree, word = rules.formula(args.words[0]), args.words[0].casefold()
    facts = vars(rules.get(word)) if word in rules.names() else {}
    facts = {**facts, "formula": str(tree), "latex": rules.to_latex(tree)}
    if args.json:
        _print_json({**facts, "tree": rules.to_tree(tree)})
    else:
        _show_facts({name: value for name, value in facts.items() if value}, as_json=False)
        print(f"\n{rules.to_tree(tree)}")
    return FINE


def _eval_rule(args: argparse.Namespace) -> int:
    from workbench import rules
    from workbench.graphs import load_graph
    from workbench.rules.explanation import explain

    if args.top < 0:
        raise UserError(f"--top is {args.top}; it must be 0 or more")
    tree, semantics = rules.formula(args.words[0]), rules.Semantics(args.semantics, args.steepness)
    terms = rules.Terms(graph := load_graph(args.words[1]))
    evaluation = rules.Evaluation(tree, terms, semantics)
    values = evaluation.result()
    facts: dict[str, Any] = {"formula": str(tree), "graph": graph.name, "semantics": semantics.name}
    if tree.sort == "truth" and semantics.name == "crisp":
        facts["true"] = f"{int(values.sum()):,} of {len(values):,} nodes"
    elif len(values):
        facts |= {"lowest": float(values.min()), "mean": float(values.mean()), "highest": float(values.max())}
    names, degree = getattr(graph, "node_names", None), terms.node("degree")
    rows = [
        {"node": i, **({"name": names[i]} if names else {}), "value": float(values[i]), "degree": int(degree[i])}
        for i in values.argsort(descending=True, stable=True)[: args.top].tolist()
    ]
    told = None if args.explain is None else explain(evaluation, args.explain)
    if args.json:
        _print_json({**facts, "top": rows, "explanation": told and str(told)})
        return FINE
    _show_facts(facts, as_json=False)
    if told is not None:
        print(f"\nnode {args.explain}:\n{told}")
    if rows:
        print()
        _show_table(rows, as_json=False)
    return FINE


def _placebo(args: argparse.Namespace) -> int:
    import pandas as pd

    from workbench.graphs import load_graph
    from workbench.placebo import differences, run, summary

    if args.out and not Path(args.out).resolve().parent.is_dir():
        raise UserError(f"--out {args.out!r} lies in a folder that does not exist")
    loaded = [load_graph(word) for word in args.words]  # a misspelt one is told before anything is trained
    found = [run(graph, args.rule, args.seeds, preset=args.preset) for graph in loaded]
    rows = pd.concat(found, ignore_index=True)
    if args.out:
        rows.to_csv(args.out, index=False, float_format="%.6g")
    if args.json:
        tables = {"runs": rows, "summary": summary(rows), "differences": differences(rows)}
        _print_json({name: table.to_dict("records") for name, table in tables.items()})
        return FINE
    print(f"rules: {', '.join(args.rule or ['the two released ones'])}")
    print(
        f"str-gcl, preset {args.preset}, {args.seeds} training seeds, {rows['protocol'].iloc[0]}; accuracy in percent\n"
    )
    _show_table(summary(rows).round(2), as_json=False)
    print("\nfirst minus second, percentage points, 95 % t interval over the training seeds\n")
    _show_table(differences(rows).round(2), as_json=False)
    return FINE


def notebooks(args: argparse.Namespace) -> int:
    """Execute notebooks from top to bottom, without a browser."""
    from workbench import notebooks

    given = _settings(args.settings)
    chosen = args.names or notebooks.names()
    notebooks.check(chosen, given)  # before the first one starts
    outcomes = []
    for name in chosen:
        outcome = notebooks.execute(name, given, args.out_dir, html=not args.no_html, timeout=args.timeout)
        outcomes.append(outcome)
        if not args.json:
            print(outcome, file=sys.stdout if outcome.ok else sys.stderr, flush=True)
            if outcome.results:
                print(f"\n{outcome.results}", flush=True)
    if args.json:
        _print_json([{**vars(outcome), "ok": outcome.ok} for outcome in outcomes])
    return FINE if all(outcome.ok for outcome in outcomes) else FAILED


def bench(args: argparse.Namespace) -> int:
    """Run a benchmark of time and memory, or list them."""
    from workbench import bench

    if args.name is None:
        _show_table([{"benchmark": name} for name in bench.names()], args.json)
    else:
        _show_facts(bench.run(args.name), args.json)
    return FINE


def lab(args: argparse.Namespace) -> int:
    """Open JupyterLab on a notebook, on this machine only, with its token."""
    from workbench import notebooks

    path, here = notebooks.find(args.notebook).resolve(), Path.cwd()
    folder = here if path.is_relative_to(here) else path.parent
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    command += [f"--LabApp.default_url=/lab/tree/{quote(path.relative_to(folder).as_posix())}"]
    command += ["--no-browser"] if args.no_browser else []
    command += [f"--ServerApp.port={args.port}"] if args.port else []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        print("workbench: JupyterLab wants to be told when root starts it: adding --allow-root", file=sys.stderr)
        command.append("--allow-root")
    # A kernel starts in its notebook's folder; runs and data shall lie where the other commands put them.
    for name, place in (("WORKBENCH_RUNS", "runs"), ("WORKBENCH_DATA", "data")):
        os.environ.setdefault(name, str(here / place))
    sys.stderr.flush()
    os.execv(sys.executable, command)
    return FINE


def _graph_of(run: "Run", source: str | None) -> "Data":
    """Load the graph that a run was trained on, and make sure that it is that one."""
    from workbench.graphs import content_hash, load_graph

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


def _settings(pairs: Iterable[str], own: Iterable[str] = ()) -> dict[str, Any]:
    """Read key=value words; `own` are names that are given in another way."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (equals and key.isidentifier()):
            raise UserError(f"-p {pair!r} is not of the form key=value")
        if key in found:
            raise UserError(f"-p {key}=... is given twice")
        if key in own:
            raise UserError(f"{key!r} is not given by -p; workbench fit --help shows how")
        found[key] = parse_value(text)
    return found


def parse_value(text: str) -> Any:
    """Read a value: as JSON has it (50, 0.4, 1e-3, [1, 2], "50"), true, false and none in any spelling, else a word."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.strip().casefold() in words:
        return words[text.strip().casefold()]
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text


def _plain(value: Any) -> Any:
    """Turn a result into what JSON holds; a number that is not finite becomes null."""
    if hasattr(value, "tolist"):  # numpy and torch
        value = value.tolist()
    if hasattr(value, "__dataclass_fields__"):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _print_json(value: Any) -> None:
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _show_table(table: "pd.DataFrame | list[dict[str, Any]]", as_json: bool) -> None:
    rows: list[dict[Any, Any]] = table if isinstance(table, list) else table.to_dict("records")
    if as_json:
        _print_json(rows)
        return
    lines = [list(map(str, rows[0] if rows else ["nothing"])), *(list(map(_word, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())


def _show_facts(facts: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in _plain(facts).items():
        print(f"{name.ljust(width)}  {_word(value)}")


def _word(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
