"""The commands that execute notebooks, run benchmarks and open JupyterLab."""

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import quote

from workbench.cli.commands.output import FAILED, FINE, print_json, settings_of, show_facts, show_table
from workbench.errors import UserError


def notebooks(args: argparse.Namespace) -> int:
    """Execute notebooks from top to bottom, without a browser."""
    from workbench.pages import notebooks

    given = settings_of(args.settings)
    chosen = args.names or notebooks.names()
    notebooks.check(chosen, given)  # before the first one starts
    if args.gallery and Path(args.gallery).exists() and not Path(args.gallery).is_dir():
        raise UserError(f"--gallery {args.gallery!r} is a file; name a folder")
    outcomes, html = [], not (args.no_html or args.gallery)
    for name in chosen:
        outcome = notebooks.execute(name, given, args.out_dir, html=html, timeout=args.timeout)
        outcomes.append(outcome)
        if not args.json:
            print(outcome, file=sys.stdout if outcome.ok else sys.stderr, flush=True)
            if outcome.results:
                print(f"\n{outcome.results}", flush=True)
    if args.gallery:
        from workbench.pages import gallery

        index = gallery.build(outcomes, args.gallery)
        megabytes = sum(file.stat().st_size for file in index.parent.iterdir()) / 1e6
        print(f"{index}: {len(outcomes)} notebooks, {megabytes:.1f} MB", file=sys.stderr if args.json else sys.stdout)
    if args.json:
        print_json([{**vars(outcome), "ok": outcome.ok} for outcome in outcomes])
    return FINE if all(outcome.ok for outcome in outcomes) else FAILED


def bench(args: argparse.Namespace) -> int:
    """Run a benchmark of time and memory, or list them."""
    from workbench import bench

    if args.name is None:
        show_table([{"benchmark": name} for name in bench.names()], args.json)
    else:
        show_facts(bench.run(args.name), args.json)
    return FINE


def lab(args: argparse.Namespace) -> int:
    """Open JupyterLab on a notebook, on this machine only, with its token."""
    from workbench.pages import notebooks

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
