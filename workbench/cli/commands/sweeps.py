"""What `workbench sweep` does."""

import argparse
import sys

from workbench.cli.commands.output import FAILED, FINE, check_out, print_json, seconds_of, settings_of, show_table
from workbench.errors import UserError


def sweep(args: argparse.Namespace) -> int:
    """Train many runs, on this machine's cores or on a cluster, and go on where an earlier sweep was interrupted."""
    from workbench.studies import sweep

    check_out(args.out)
    deadline = seconds_of(args.deadline)
    left_out: list[str] = []
    settings = settings_of(args.settings, own=("seeds", "left_out"))
    requests = sweep.plan(args.methods, args.graphs, args.preset, args.seeds, left_out, **settings)
    for told in left_out:
        print(f"workbench: left out: {told}", file=sys.stderr)
    if not requests:
        raise UserError("no training is left: none of the methods has such a preset for any of the graphs")
    rows = sweep.run(requests, workers=args.workers, on=args.on, deadline=deadline, progress=not args.json)
    if args.out:
        rows.to_csv(args.out, index=False, float_format="%.6g")
    if args.json:
        print_json(rows.to_dict("records"))
    else:
        show_table(rows, as_json=False)
    return FINE if rows["state"].isin([sweep.STORED, sweep.TRAINED]).all() else FAILED
