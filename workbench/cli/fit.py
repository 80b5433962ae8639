"""Train a method on a graph and store the run."""

import shlex
import sys
import tempfile
import time
import warnings
from argparse import Namespace
from pathlib import Path

import workbench as wb
from workbench.cli.output import (
    FAILED,
    FINE,
    INTERRUPTED,
    Option,
    add_reading,
    add_settings,
    facts_of,
    load,
    read_as,
    settings_of,
    show,
)
from workbench.errors import Collapse, UserError
from workbench.training.choice import known

KEPT = "what was stored stays; the same command goes on from the last checkpoint, or begins anew with --fresh"
# Arguments of `fit` that are no parameters of a method.
OWN = ("preset", "seed", "device", "fresh", "graph", "method", "callback", "store", "progress", "stop", "snapshots")


def add(option: Option) -> None:
    option("method", metavar="METHOD")
    option("graph", metavar="GRAPH", help="a name or a file; NAME:links holds links out, to be predicted")
    add_reading(option)
    option("--preset", help="released, as-described, quick, or a graph's name (default: the authors' for this graph)")
    option("--seed", type=int, default=0, help="default: %(default)s")
    add_settings(option, "a setting, e.g. -p epochs=50")
    option("--device", help="cpu, cuda, ... (default: a GPU where there is one)")
    option("--fresh", action="store_true", help="train even where the same run is stored")
    option("--stop", metavar="NUMBER", help="keep the best moment by effective-rank, alpha-req, uniformity, ...")
    about = "how many embeddings to keep on the way, the untrained and the last one included (default: %(default)s)"
    option("--snapshots", type=int, default=0, metavar="N", help=about)
    option("--protocol", help="score the run at once")


def run(args: Namespace) -> int:
    wb.methods.get(args.method)  # a misspelt word is told before anything is loaded or trained
    if args.protocol and wb.protocols.get(args.protocol).snapshots and not args.snapshots:
        raise UserError(f"protocol {args.protocol!r} looks at embeddings on the way; --snapshots 11 keeps eleven")
    if args.stop:
        known(args.stop)
    settings = settings_of(args.settings, own=OWN)
    graph, started = load(args, args.graph), time.time()
    options = {"device": args.device, "fresh": args.fresh, "stop": args.stop, "snapshots": args.snapshots}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Collapse)  # it is told below, in this command's way
        run = wb.fit(args.method, graph, args.preset, args.seed, **options, **settings)
    written = [run.path / name for name in ("run.json", "snapshots.safetensors")] if run.path else []
    loaded = bool(written) and all(file.stat().st_mtime < started for file in written if file.exists())
    facts = {**facts_of(run), "loaded": loaded, "snapshots": [*run.snapshots]}
    state = "" if run.complete else f" of {run.config.epochs}"
    loss = f", loss {run.history['loss'].iloc[-1]:.4f}" if run.epochs else ", untrained"
    loss += f", kept epoch {run.kept} by {run.stop}" if run.stop else ""
    loss += f", {run.supervision}" if run.supervision else ""
    if args.snapshots:
        loss += f", {len(run.snapshots)} embeddings kept on the way"
    lines = [
        f"{run.method} on {run.graph}, preset {run.preset}, seed {run.seed}: {run.epochs}{state} epochs in "
        f"{run.seconds:.1f} s, peak {run.peak_mib:.0f} MiB on {run.device}{loss}; {run.path or 'not stored'}"
        f"{'; loaded from the store, --fresh trains again' * loaded}"
    ]
    if args.method == "adapt":
        receipt = wb.adaptation.receipt(run)
        facts["receipt"] = receipt
        lines.append(f"receipt: {receipt}")
        if receipt.plan == "full":  # by which layers are chosen, see `wb.adaptation.ranked`
            turned = wb.adaptation.turned(run).items()
            lines.append("angles: " + ", ".join(f"{layer} {angle:.1f}°" for layer, angle in turned))
    if args.protocol and run.complete:
        scores = wb.evaluate(run, graph, args.protocol)
        facts["scores"] = scores.as_dict()
        lines.append(str(scores))
    elif run.complete:
        named = args.graph == run.graph and not Path(args.graph).exists()
        place = "" if named else f" --graph {shlex.quote(args.graph)}"
        lines.append(f"next: workbench evaluate {run.path}{place}{read_as(args)}")
    show(args, facts, "\n".join(lines))
    if run.collapse:
        print(f"workbench: {run.collapse}", file=sys.stderr)
    if not run.complete:
        goes_on = f"the same command goes on after epoch {run.epochs}" if run.checkpoint else "nothing could be kept"
        if args.fresh:
            goes_on = "the same command begins anew, and without --fresh takes what is stored"
        print(f"workbench: interrupted; {goes_on}", file=sys.stderr)
        return INTERRUPTED
    if run.path is None:  # a warning has said why, and what is in memory is gone when a command has ended
        kept = wb.runs.save(run, tempfile.mkdtemp(prefix="workbench-runs-"))
        print(f"workbench: the run was stored in {kept.path} instead", file=sys.stderr)
        return FAILED
    return FINE
