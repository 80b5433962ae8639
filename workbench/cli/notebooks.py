"""Execute notebooks from top to bottom, without a browser."""

import sys
from argparse import Namespace
from pathlib import Path

import workbench as wb
from workbench.cli.output import FAILED, FINE, Option, add_settings, print_json, settings_of
from workbench.errors import UserError

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
    chosen = args.names or wb.notebooks.names()
    wb.notebooks.check(chosen, parameters)  # before the first one starts
    if args.gallery and Path(args.gallery).exists() and not Path(args.gallery).is_dir():
        raise UserError(f"--gallery {args.gallery!r} is a file; name a folder")
    outcomes, html = [], not (args.no_html or args.gallery)
    for name in chosen:
        outcome = wb.notebooks.execute(name, parameters, args.out_dir, html=html, timeout=args.timeout)
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
