"""List studies, run one (conditions on data over seeds, scored alike), or report what is kept of them."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workbench as wb
from workbench.cli.output import (
    Option,
    act,
    add_settings,
    check_out,
    code_of,
    print_json,
    say,
    settings_of,
    show,
    show_table,
)
from workbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

KEPT = "the trainings that were finished are stored; the same command goes on"
TITLES = {
    "summary": "means over training seeds, in percent",
    "differences": "first minus second, percentage points, 95 % t interval over the training seeds",
    "claims": "claims",
    "curves": "accuracy in percent after so many seconds of training",
    "picks": "accuracy in percent at the epoch that a number without labels picks (fit --stop); FLAWED: by labels",
    "correlations": "rank correlation of what numbers without labels say is good with accuracy",
    "protocols": "the same embeddings by every protocol, accuracy in percent",
}


def add(option: Option) -> None:
    option("action", metavar="ACTION", help="list | run STUDY [GRAPH ...] | report [STUDY]")
    option("words", nargs="*", metavar="WORD", help="a study is a name or a TOML file of yours")
    option("--seeds", type=int, help="training seeds (default: the study's)")
    other = "what is other than in the study: -p splits=5, -p preset=quick, or a setting of all, -p epochs=50"
    add_settings(option, other)
    add_execution(option, workers=0)
    option(
        "--out",
        metavar="FILE",
        help="run: add the rows to this CSV; report: write the page of the studies to this file",
    )
    add_results(option)


def add_execution(option: Option, workers: int | None) -> None:
    """Declare where and how long to train; `workers` is the default."""
    usual = "one a core" if workers is None else "none, one after the other here"
    option("--workers", type=int, default=workers, help=f"processes (default: {usual})")
    option("--on", metavar="WHERE", help="address of a Dask scheduler, or 'slurm slurm_partition=gpu timeout_min=60'")
    option("--deadline", type=float, metavar="MINUTES", help="stop after this time; keep what was trained")


def add_results(option: Option) -> None:
    """Declare where results are kept."""
    option("--results", metavar="FOLDER", help="where results are kept (default: docs/results of the project)")


def run(args: Namespace) -> int | None:
    actions = {"list": (_list, ""), "run": (_run, "STUDY [GRAPH ...]"), "report": (_report, "[STUDY ...]")}
    return act(args, actions, lambda: f"studies are {', '.join(wb.studies.names())}")


def folder_of(args: Namespace) -> Path:
    """Return where results are kept."""
    folder = Path(args.results) if args.results else wb.studies.results.FOLDER
    if not folder.is_dir():
        raise UserError(f"results are kept in {folder}, which is no folder; --results FOLDER names another")
    return folder


def conduct(args: Namespace, study: Any, data: list[str] | None, out: str | Path | None = None) -> int:
    """Run a study as the arguments say, add its rows to a file, and print its tables."""
    check_out(out)
    outcomes, rows = trained(args, study, data)
    if out:
        wb.studies.results.add(rows, Path(out))
    tables = wb.studies.report.study(study, rows)
    if args.json:
        print_json({"trainings": wb.studies.execute.table(outcomes), "rows": rows, **tables})
    else:
        methods = ", ".join(dict.fromkeys(f"{c.method}, preset {c.preset}" for c in study.conditions))
        protocols = ", ".join(filter(None, rows["protocol"].unique())) or "no scores"
        say(f"{study.name}: {methods}; {len(study.seeds)} training seeds, {protocols}")
        _print(tables)
        unfinished = wb.studies.execute.table(outcome for outcome in outcomes if code_of([outcome]))
        if len(unfinished):
            print("\nnot finished\n")
            show_table(unfinished.drop(columns=["seconds", "peak_mib", "device", "folder"]))
    return code_of(outcomes)


def trained(
    args: Namespace, study: Any, data: list[str] | None = None, left_out: list[str] | None = None
) -> tuple[list["wb.studies.worker.Outcome"], "pd.DataFrame"]:
    """Execute a study where the arguments say, and return what became of each training, and the long table."""
    minutes, workers, on = getattr(args, "deadline", None), getattr(args, "workers", 0), getattr(args, "on", None)
    if minutes is not None and not minutes > 0:
        raise UserError(f"--deadline is {minutes:g} minutes; it must be above 0")
    where = {"workers": workers, "on": on, "deadline": minutes and 60 * minutes, "progress": not args.json}
    return wb.studies.execute.conduct(study, data, strict=workers == 0 and on is None, left_out=left_out, **where)


def _print(tables: dict[str, "pd.DataFrame"]) -> None:
    for name, table in tables.items():
        print(f"\n{TITLES[name]}\n")
        show_table(table.round(2))


def _list(args: Namespace) -> None:
    rows = [
        {"study": study.name, "conditions": len(study.conditions), "seeds": len(study.seeds), "asks": study.title}
        for study in map(wb.studies.load, wb.studies.names())
    ]
    show_table(rows, args.json)


def _run(args: Namespace) -> int:
    word, *data = args.words
    changes = settings_of(args.settings, own=("seeds", "data", "name"))
    changes |= {} if args.seeds is None else {"seeds": args.seeds}
    return conduct(args, wb.studies.load(word, **changes), data or None, args.out)


def write_page(args: Namespace) -> None:
    """Write the pages of all claims, of the leaderboard, of what to use on which graph, and of other data."""
    board = wb.studies.leaderboard
    folder, page = folder_of(args), wb.studies.page
    pages = [write(folder) for write in (wb.studies.report.write, board.write, board.advise)]
    pages += [page.write(names, folder / file, folder) for file, names in page.PAGES.items()]
    show(args, {"pages": pages}, "\n".join(map(str, pages)))


def _report(args: Namespace) -> None:
    if not args.words:
        if args.out:
            raise UserError("--out takes the page of studies that are named: workbench study report STUDY --out FILE")
        write_page(args)
        return
    check_out(args.out)
    folder, kept = folder_of(args), []
    for study in map(wb.studies.load, args.words):
        rows = wb.studies.read(study.name, folder)
        if not len(rows):
            run = f"workbench study run {study.name} --out FILE keeps its rows"
            raise UserError(f"nothing is kept of study {study.name!r}; {run}")
        kept.append((study, rows))
    if args.out:
        written = wb.studies.page.write(args.words, Path(args.out), folder)
        show(args, {"pages": [written]}, str(written))
        return
    for study, rows in kept:
        tables = wb.studies.report.study(study, rows)
        print_json(tables) if args.json else _print(tables)
