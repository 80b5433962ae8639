"""List studies, run one (conditions on data over seeds, scored alike), or report what is kept of them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli.output import FAILED, FINE, act, add_settings, check_out, print_json, settings_of, show, show_table
from workbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.studies.execute import Outcome

KEPT = "the trainings that were finished are stored; the same command goes on"
TITLES = {
    "summary": "accuracy in percent",
    "differences": "first minus second, percentage points, 95 % t interval over the training seeds",
    "claims": "claims",
    "curves": "accuracy in percent after so many seconds of training",
    "protocols": "the same embeddings by every protocol, accuracy in percent",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", metavar="ACTION", help="list | run STUDY [GRAPH ...] | report [STUDY]")
    parser.add_argument("words", nargs="*", metavar="WORD", help="a study is a name or a TOML file of yours")
    parser.add_argument("--seeds", type=int, help="training seeds (default: the study's)")
    other = "what is other than in the study: -p splits=5, -p preset=quick, or a setting of all, -p epochs=50"
    add_settings(parser, other)
    add_execution(parser, workers=0)
    parser.add_argument("--out", metavar="FILE", help="run: add the rows to this CSV")
    add_results(parser)


def add_execution(parser: argparse.ArgumentParser, workers: int | None) -> None:
    """Declare where and how long to train; `workers` is the default."""
    usual = "one a core" if workers is None else "none, one after the other here"
    parser.add_argument("--workers", type=int, default=workers, help=f"processes (default: {usual})")
    parser.add_argument("--on", metavar="ADDRESS", help="of a Dask scheduler, to train on its workers")
    parser.add_argument("--deadline", type=float, metavar="MINUTES", help="stop after this time; keep what was trained")


def add_results(parser: argparse.ArgumentParser) -> None:
    """Declare where results are kept."""
    about = "where results are kept (default: docs/results of the project)"
    parser.add_argument("--results", metavar="FOLDER", help=about)


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    return act(args, {"list": (_list, ""), "run": (_run, "STUDY [GRAPH ...]"), "report": (_report, "[STUDY ...]")})


def folder_of(args: argparse.Namespace) -> Path:
    """Return where results are kept."""
    from workbench.studies import results

    folder = Path(args.results) if args.results else results.FOLDER
    if not folder.is_dir():
        raise UserError(f"results are kept in {folder}, which is no folder; --results FOLDER names another")
    return folder


def conduct(args: argparse.Namespace, study: Any, data: list[str] | None, out: str | Path | None = None) -> int:
    """Run a study as the arguments say, add its rows to a file, and print its tables."""
    from workbench.studies import report, results

    check_out(out)
    outcomes, rows = trained(args, study, data)
    if out:
        results.add(rows, Path(out))
    tables = report.study(study, rows)
    if args.json:
        print_json({"trainings": states(outcomes), "rows": rows, **tables})
    else:
        methods = ", ".join(dict.fromkeys(f"{c.method}, preset {c.preset}" for c in study.conditions))
        protocols = ", ".join(filter(None, rows["protocol"].unique())) or "no scores"
        print(f"{study.name}: {methods}; {len(study.seeds)} training seeds, {protocols}")
        _print(tables)
        table = states([outcome for outcome in outcomes if not finished([outcome])])
        if len(table):
            print("\nnot finished\n")
            show_table(table.drop(columns=["seconds", "peak_mib", "device", "folder"]))
    return FINE if finished(outcomes) else FAILED


def trained(
    args: argparse.Namespace, study: Any, data: list[str] | None, left_out: list[str] | None = None
) -> tuple[list["Outcome"], "pd.DataFrame"]:
    """Execute a study where the arguments say, and return what became of each training, and the long table."""
    from workbench.studies import execute, plan, running

    minutes = getattr(args, "deadline", None)
    if minutes is not None and not minutes > 0:
        raise UserError(f"--deadline is {minutes:g} minutes; it must be above 0")
    deadline = minutes and 60 * minutes
    study, names, _ = running.asked(study, data)
    tasks = plan.plan(study, names, left_out=left_out)
    workers, on = getattr(args, "workers", 0), getattr(args, "on", None)
    outcomes = execute.execute(study, tasks, None, None, workers, on, deadline, not args.json)
    if workers == 0 and on is None:
        running.check(outcomes, deadline)
    return outcomes, running.collected(study, outcomes, {})


def states(outcomes: list["Outcome"]) -> "pd.DataFrame":
    """Return one row a training."""
    from workbench.studies import execute

    return execute.table(outcomes)


def finished(outcomes: list["Outcome"]) -> bool:
    """Return whether no training failed or was cut short."""
    return all(outcome.state in ("stored", "trained") for outcome in outcomes)


def _print(tables: dict[str, "pd.DataFrame"]) -> None:
    for name, table in tables.items():
        print(f"\n{TITLES[name]}\n")
        show_table(table.round(2))


def _list(args: argparse.Namespace) -> int:
    from workbench import studies

    rows = [
        {"study": study.name, "conditions": len(study.conditions), "seeds": len(study.seeds), "asks": study.title}
        for study in map(studies.load, studies.names())
    ]
    return show_table(rows, args.json)


def _run(args: argparse.Namespace) -> int:
    from workbench import studies

    word, *data = args.words
    changes = settings_of(args.settings, own=("seeds", "data", "name"))
    changes |= {} if args.seeds is None else {"seeds": args.seeds}
    return conduct(args, studies.load(word, **changes), data or None, args.out)


def write_page(args: argparse.Namespace) -> int:
    """Write the page of all claims."""
    from workbench.studies import report

    path = report.write(folder_of(args))
    return show(args, {"page": path}, path)


def _report(args: argparse.Namespace) -> int:
    from workbench import studies
    from workbench.studies import report, results

    if not args.words:
        return write_page(args)
    for word in args.words:
        study, rows = studies.load(word), results.read(word, folder_of(args))
        if not len(rows):
            raise UserError(f"nothing is kept of study {word!r}; workbench study run {word} --out FILE keeps its rows")
        tables = report.study(study, rows)
        print_json(tables) if args.json else _print(tables)
    return FINE
