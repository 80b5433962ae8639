"""Hold published numbers against ours: list the verdicts, measure what they take, or write the page of all."""

import argparse
from pathlib import Path

from workbench.cli.output import FAILED, FINE, add_json, print_json, seconds_of, show_table
from workbench.errors import UserError, unknown

KEPT = "the trainings that were finished are stored; the same command goes on"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)
    parser.add_argument(
        "action",
        metavar="ACTION",
        help="list | run CLAIM ... | switches METHOD GRAPH ... | cost GRAPH ... | lens CLAIM ... | report",
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help="a claim is a published number, e.g. str-gcl/cora")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds (default: %(default)s)")
    parser.add_argument("--workers", type=int, help="run: processes (default: one a core)")
    parser.add_argument(
        "--deadline", type=float, metavar="MINUTES", help="run: stop after this time and keep what was trained"
    )
    parser.add_argument(
        "--results", metavar="FOLDER", help="where results are kept (default: docs/results of the project)"
    )


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    actions = {
        "list": _list,
        "run": _run,
        "switches": _switches,
        "cost": _cost,
        "lens": _lens,
        "report": _report,
    }
    if args.action not in actions:
        raise unknown("action", args.action, actions, "of workbench claims")
    if args.words and args.action in ("list", "report"):
        raise UserError(f"workbench claims {args.action} takes nothing more, not {args.words[0]!r}")
    return actions[args.action](args)


def _folder(args: argparse.Namespace) -> Path:
    from workbench.studies.claims import measure

    folder = Path(args.results) if args.results else measure.RESULTS
    if not folder.is_dir():
        raise UserError(f"results are kept in {folder}, which is no folder; --results FOLDER names another")
    return folder


def _list(args: argparse.Namespace) -> int:
    from workbench.studies.claims import measure, report

    table = report.table(measure.read(_folder(args))[0])
    if args.json:
        print_json(table.to_dict("records"))
    else:
        show_table(table.drop(columns="reason"), as_json=False)
        print("\nworkbench claims run CLAIM trains what one takes and says why its verdict is what it is")
    return FINE


def _run(args: argparse.Namespace) -> int:
    import pandas as pd

    from workbench.studies import sweep
    from workbench.studies.claims import find, measure, of_cell
    from workbench.studies.claims.cells import Cell

    if not args.words:
        raise UserError("workbench claims run takes a claim, e.g. str-gcl/cora; `workbench claims list` has them all")
    asked = [find(word) for word in args.words]
    folder, deadline = _folder(args), seconds_of(args.deadline)
    requests = [request for cell in asked for request in measure.needed(cell, args.seeds)]
    rows = sweep.run(requests, workers=args.workers, deadline=deadline, progress=not args.json)
    measure.note(rows, folder)
    scores, _ = measure.collect(folder=folder, progress=not args.json)
    cells = [cell for cell in asked if isinstance(cell, Cell)]
    found = pd.DataFrame({"claim": cell.id, "published": cell.value, **vars(of_cell(cell, scores))} for cell in cells)
    arms = zip(scores["arm"].str.removesuffix(" untrained"), scores["graph"], strict=True)
    mine = scores[[pair in {(one.method, one.graph) for one in asked} for pair in arms]]
    means = mine.groupby(["graph", "protocol", "arm"])["accuracy"].mean().reset_index()
    if args.json:
        print_json({"trainings": rows.to_dict("records"), "accuracy": means.to_dict("records"),
                    "verdicts": found.to_dict("records")})  # fmt: skip
    else:
        show_table(rows.drop(columns="folder"), as_json=False)
        print()
        show_table(means.round(2), as_json=False)
        for row in found.itertuples():
            print(f"\n{row.claim}: published {row.published}, {row.word}: {row.reason}")
    done = rows["state"].isin(["stored", "trained"])
    return FINE if done.all() else FAILED


def _switches(args: argparse.Namespace) -> int:
    import pandas as pd

    from workbench.datasets import load_graph
    from workbench.studies.claims import measure, switches

    if len(args.words) < 2:
        raise UserError("workbench claims switches takes a method and graphs, e.g. e2neg cora citeseer")
    method, *graphs = args.words
    file = _folder(args) / switches.FILE
    loaded = [load_graph(word) for word in graphs]  # a misspelt one is told before anything is trained
    rows = pd.concat([switches.run(graph, method, args.seeds, progress=not args.json) for graph in loaded])
    found = switches.effects(rows)
    measure.keep(rows, file, ["method", "graph", "arm", "seed"], ["method", "graph", "arm", "seed"])
    if args.json:
        print_json(found.to_dict("records"))
    else:
        print(f"{method}, preset quick, random-10-10-80; each switch minus the release, percentage points\n")
        show_table(found.drop(columns="method").round(2), as_json=False)
        print(f"\nkept in {file}; workbench claims report tells of it")
    return FINE


def _cost(args: argparse.Namespace) -> int:
    import pandas as pd

    from workbench.datasets import load_graph
    from workbench.studies.claims import courses, measure

    if not args.words:
        raise UserError("workbench claims cost takes graphs, e.g. cora citeseer")
    file = _folder(args) / courses.FILE
    loaded = [load_graph(word) for word in args.words]
    rows = pd.concat([courses.run(graph, seeds=args.seeds, progress=not args.json) for graph in loaded])
    measure.keep(rows, file, courses.KEYS[:3], courses.KEYS)
    found = pd.concat(courses.reached(part, "grace").assign(graph=graph) for graph, part in rows.groupby("graph"))
    if args.json:
        print_json(found.to_dict("records"))
    else:
        print("preset quick, random-10-10-80; seconds to an accuracy one point below GRACE's last\n")
        show_table(found.round(2), as_json=False)
        print(f"\nkept in {file}; workbench claims report tells of it")
    return FINE


def _lens(args: argparse.Namespace) -> int:
    from workbench.datasets import load_graph
    from workbench.evaluation import lens
    from workbench.studies.arms import check_counts
    from workbench.studies.claims import find, measure

    if not args.words:
        raise UserError("workbench claims lens takes claims, e.g. grace/cora")
    check_counts(args.seeds, 1, "the lens")
    file, given = _folder(args) / measure.LENS, measure.stored()
    for one in [find(word) for word in args.words]:
        runs = [run for run in given if (run.method, run.graph) == (one.method, one.graph)][: args.seeds]
        if not runs:
            raise UserError(
                f"no training of {one.method}/{one.graph} as released is stored; workbench claims run makes one"
            )
        table = lens(runs, load_graph(one.graph), splits=measure.LENS_SPLITS, progress=not args.json)
        table.insert(0, "method", one.method)
        table.insert(1, "graph", one.graph)
        measure.keep(table, file, ["method", "graph"], ["method", "graph"])
        if not args.json:
            show_table(table[["method", "graph", "protocol", "normalised", "accuracy", "low", "high"]].round(2),
                       as_json=False)  # fmt: skip
    print_json({"kept": file}) if args.json else print(f"\nkept in {file}; workbench claims report tells of it")
    return FINE


def _report(args: argparse.Namespace) -> int:
    from workbench.studies.claims import report

    path = report.write(_folder(args))
    print_json({"page": path}) if args.json else print(path)
    return FINE
