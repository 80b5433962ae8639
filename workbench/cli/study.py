"""List studies, run one (conditions on data over seeds, scored alike), or report what is kept of them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli.output import (
    FAILED,
    FINE,
    add_json,
    add_settings,
    check_out,
    print_json,
    seconds_of,
    settings_of,
    show_table,
)
from workbench.errors import UserError, unknown

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
    add_json(parser)
    parser.add_argument("action", metavar="ACTION", help="list | run STUDY [GRAPH ...] | report [STUDY]")
    parser.add_argument("words", nargs="*", metavar="WORD", help="a study is a name or a TOML file of yours")
    parser.add_argument("--seeds", type=int, help="training seeds (default: the study's)")
    add_settings(
        parser, "what is other than in the study: -p splits=5, -p preset=quick, or a setting of all, -p epochs=50"
    )
    add_execution(parser, workers=0)
    parser.add_argument("--out", metavar="FILE", help="run: add the rows to this CSV")
    add_results(parser)


def add_execution(parser: argparse.ArgumentParser, workers: int | None) -> None:
    """Declare where and how long to train; `workers` is the default."""
    told = "one a core" if workers is None else "none, one after the other here"
    parser.add_argument("--workers", type=int, default=workers, help=f"processes (default: {told})")
    parser.add_argument("--on", metavar="ADDRESS", help="of a Dask scheduler, to train on its workers")
    parser.add_argument("--deadline", type=float, metavar="MINUTES", help="stop after this time; keep what was trained")


def add_results(parser: argparse.ArgumentParser) -> None:
    """Declare where results are kept."""
    parser.add_argument(
        "--results", metavar="FOLDER", help="where results are kept (default: docs/results of the project)"
    )


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    actions = {"list": _list, "run": _run, "report": _report}
    if args.action not in actions:
        raise unknown("action", args.action, actions, "of workbench study")
    return actions[args.action](args)


def folder_of(args: argparse.Namespace) -> Path:
    """Return where results are kept."""
    from workbench.studies import results

    folder = Path(args.results) if args.results else results.FOLDER
    if not folder.is_dir():
        raise UserError(f"results are kept in {folder}, which is no folder; --results FOLDER names another")
    return folder


def conduct(args: argparse.Namespace, study: Any, data: list[str] | None, out: Path | None = None, **more: Any) -> int:
    """Run a study as the arguments say, add its rows to a file, and print its tables; `more` goes into the JSON."""
    from workbench.studies import report, results

    outcomes, rows = trained(args, study, data)
    if out is not None:
        results.add(rows, out)
    tables = report.study(study, rows)
    if args.json:
        print_json({"trainings": states(outcomes), "rows": rows, **more}
                   | {name: table for name, table in tables.items()})  # fmt: skip
    else:
        methods = ", ".join(dict.fromkeys(f"{one.method}, preset {one.preset}" for one in study.conditions))
        print(
            f"{study.name}: {methods}; {len(study.seeds)} training seeds, {', '.join(study.protocols) or 'no scores'}"
        )
        _print(tables)
        print_unfinished(outcomes)
    return FINE if all(outcome.state in ("stored", "trained") for outcome in outcomes) else FAILED


def trained(
    args: argparse.Namespace, study: Any, data: list[str] | None, left_out: list[str] | None = None
) -> tuple[list["Outcome"], "pd.DataFrame"]:
    """Execute a study where the arguments say, and return what became of each training, and the long table."""
    from workbench.studies import execute, plan, running

    deadline = seconds_of(getattr(args, "deadline", None))
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


def print_unfinished(outcomes: list["Outcome"]) -> None:
    """Print what became of trainings that were not finished."""
    table = states([outcome for outcome in outcomes if outcome.state not in ("stored", "trained")])
    if len(table):
        print("\nnot finished\n")
        show_table(table.drop(columns=["seconds", "peak_mib", "device", "folder"]), as_json=False)


def _print(tables: dict[str, "pd.DataFrame"]) -> None:
    for name, table in tables.items():
        print(f"\n{TITLES[name]}\n")
        show_table(table.round(2), as_json=False)


def _list(args: argparse.Namespace) -> int:
    from workbench import studies

    loaded = map(studies.load, studies.names())
    rows = [{"study": one.name, "conditions": len(one.conditions), "seeds": len(one.seeds), "asks": one.title}
            for one in loaded]  # fmt: skip
    show_table(rows, as_json=args.json)
    return FINE


def _run(args: argparse.Namespace) -> int:
    from workbench import studies

    if not args.words:
        raise UserError(f"workbench study run takes a study and graphs; studies are {', '.join(studies.names())}")
    check_out(args.out)
    word, *data = args.words
    changes = settings_of(args.settings, own=("seeds", "data", "name"))
    changes |= {} if args.seeds is None else {"seeds": args.seeds}
    return conduct(args, studies.load(word, **changes), data or None, Path(args.out) if args.out else None)


def _report(args: argparse.Namespace) -> int:
    from workbench import studies
    from workbench.studies import report, results

    if not args.words:
        path = report.write(folder_of(args))
        print_json({"page": path}) if args.json else print(path)
        return FINE
    for word in args.words:
        study, rows = studies.load(word), results.read(word, folder_of(args))
        if not len(rows):
            raise UserError(f"nothing is kept of study {word!r}; workbench study run {word} --out FILE keeps its rows")
        tables = report.study(study, rows)
        print_json({name: table for name, table in tables.items()}) if args.json else _print(tables)
    return FINE
