"""Test what papers on objectives and pairs claim, at a size that takes minutes; list, run, or report what is kept."""

from argparse import Namespace
from pathlib import Path

import workbench as wb
from workbench.cli.output import Option, act, check_out, say, show, show_table
from workbench.cli.study import add_results, folder_of

KEPT = "with --out each experiment that was finished is kept; the others begin anew"


def add(option: Option) -> None:
    option("action", metavar="ACTION", help="list | run EXPERIMENT ... | report")
    option("words", nargs="*", metavar="EXPERIMENT", help="names of the list; 'every' for each there is")
    option("--seeds", type=int, help="of each experiment (default: as many as its file says)")
    option("--out", metavar="FILE", help="run: keep what was measured in this CSV, in place of what it has of the same")
    add_results(option)


def run(args: Namespace) -> int | None:
    actions = {"list": (_list, ""), "run": (_run, "EXPERIMENT ..."), "report": (_report, "")}
    return act(args, actions, lambda: f"experiments are {', '.join(wb.studies.experiments.names())}")


def _list(args: Namespace) -> None:
    known = map(wb.studies.experiments.load, wb.studies.experiments.names())
    rows = [{"experiment": one.name, "claims": claim.says, "unit": one.unit} for one in known for claim in one.claims]
    show_table(rows, args.json)


def _run(args: Namespace) -> None:
    import pandas as pd

    check_out(args.out)
    experiments = wb.studies.experiments
    chosen = experiments.names() if args.words == ["every"] else args.words
    for name in chosen:
        experiments.load(name)  # a wrong name before anything is run
    parts = []
    for name in chosen:
        parts.append(experiments.run([name], args.seeds, None if args.json else say))
        if args.out:
            experiments.keep(parts[-1], Path(args.out))
    judged = experiments.judged(pd.concat(parts))
    show_table(judged if args.json else judged.drop(columns=["unit", "control"]).round(3), args.json)


def _report(args: Namespace) -> None:
    written = wb.studies.experiments.write(folder_of(args))
    show(args, {"pages": written}, "\n".join(map(str, written)))
