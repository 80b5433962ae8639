"""Execute notebooks from top to bottom, without a browser."""

import contextlib
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import workbench as wb
from workbench.cli.output import FAILED, FINE, Option, add_settings, print_json, settings_of
from workbench.errors import UserError

CLEARED = "\r\033[K"  # the line on the terminal
KEPT = "what was executed lies in the output folder"


def add(option: Option) -> None:
    option("names", nargs="*", metavar="NOTEBOOK", help="a name or a path (default: all)")
    add_settings(option, "a parameter, e.g. -p graph=cora")
    option("--out-dir", default="build/notebooks", metavar="FOLDER", help="default: %(default)s")
    option("--no-html", action="store_true", help="write no pages")
    option("--gallery", metavar="FOLDER", help="write the pages there, with an index that shows a picture of each")
    option("--timeout", type=int, metavar="SECONDS", help="for each cell (default: none)")


def run(args: Namespace) -> int:
    parameters = settings_of(args.settings)
    chosen = list(dict.fromkeys(args.names)) or _all(parameters)
    wb.notebooks.check(chosen, parameters)  # before the first one starts
    if args.gallery and Path(args.gallery).exists() and not Path(args.gallery).is_dir():
        raise UserError(f"--gallery {args.gallery!r} is a file; name a folder")
    from workbench.pages import together

    outcomes, html = {}, not (args.no_html or args.gallery)
    progress = together.Progress(chosen, Path(args.out_dir))
    executed = together.execute(chosen, parameters, args.out_dir, html=html, timeout=args.timeout, progress=progress)
    with contextlib.closing(executed), _shown(progress):
        for outcome in executed:
            outcomes[outcome.notebook] = outcome
            if sys.stderr.isatty():
                print(CLEARED, end="", file=sys.stderr, flush=True)
            if not args.json:
                print(outcome, file=sys.stdout if outcome.ok else sys.stderr, flush=True)
                if outcome.results:
                    print(f"\n{outcome.results}\n", flush=True)
            if len(outcomes) < len(chosen) and not sys.stderr.isatty():
                print(progress, file=sys.stderr, flush=True)
    ordered = [outcomes[wb.notebooks.find(name).stem] for name in chosen]
    if args.gallery:
        from workbench.pages import gallery

        index = gallery.build(ordered, args.gallery)
        megabytes = sum(file.stat().st_size for file in index.parent.iterdir()) / 1e6
        print(f"{index}: {len(outcomes)} notebooks, {megabytes:.1f} MB", file=sys.stderr if args.json else sys.stdout)
    if args.json:
        print_json([{**vars(outcome), "ok": outcome.ok} for outcome in ordered])
    return FINE if all(outcome.ok for outcome in ordered) else FAILED


@contextlib.contextmanager
def _shown(progress: object) -> Iterator[None]:
    """Write on a terminal, every second, how far the notebooks are."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(1):
            print(f"{CLEARED}{progress}", end="", file=sys.stderr, flush=True)

    if sys.stderr.isatty():
        threading.Thread(target=tick, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _all(parameters: dict[str, Any]) -> list[str]:
    """Return every notebook, or where a graph is asked for those that learn on its kind of data."""
    names = wb.notebooks.names()
    if "graph" not in parameters:
        return names
    kind = _kind(parameters["graph"])
    others = [name for name in names if _kind(wb.notebooks.parameters(name).get("graph")) != kind]
    if others:
        left_out = f"{len(others)} of {len(names)} notebooks don't learn on {kind} and are left out"
        print(f"workbench: {left_out}: {', '.join(others)}", file=sys.stderr)
    return [name for name in names if name not in others]


def _kind(graph: object) -> str:
    """Return the kind of a named graph; a file of one's own holds nodes."""
    return str(wb.graphs.facts(str(graph)).get("kind", "nodes")) if graph in wb.graphs.names() else "nodes"
