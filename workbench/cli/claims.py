"""Hold published numbers against ours: list the verdicts, measure what they take, or write the page of all."""

import argparse

from workbench.cli.output import FINE, add_json, print_json, show_table
from workbench.cli.study import KEPT as KEPT
from workbench.cli.study import add_execution, add_results, conduct, folder_of, states, trained
from workbench.errors import UserError, unknown


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)
    actions = "list | run CLAIM ... | switches METHOD GRAPH ... | cost GRAPH ... | lens CLAIM ... | report"
    parser.add_argument("action", metavar="ACTION", help=actions)
    parser.add_argument("words", nargs="*", metavar="WORD", help="a claim is a published number, e.g. str-gcl/cora")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds (default: %(default)s)")
    add_execution(parser, workers=None)
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Build the study that the action stands for and run it."""
    from workbench import studies
    from workbench.studies import report, results

    takes = {"list": "", "run": "a claim, e.g. str-gcl/cora; `workbench claims list` has them all",
             "switches": "a method and graphs, e.g. e2neg cora citeseer", "cost": "graphs, e.g. cora citeseer",
             "lens": "claims, e.g. grace/cora", "report": ""}  # fmt: skip
    if args.action not in takes:
        raise unknown("action", args.action, takes, "of workbench claims")
    wanted = takes[args.action]
    if args.words and not wanted:
        raise UserError(f"workbench claims {args.action} takes nothing more, not {args.words[0]!r}")
    if len(args.words) < (2 if args.action == "switches" else 1) and wanted:
        raise UserError(f"workbench claims {args.action} takes {wanted}")
    folder, seeds = folder_of(args), args.seeds
    if args.action == "list":
        table = report.cells(results.read("reproduction", folder))
        show_table(table if args.json else table.drop(columns="reason"), as_json=args.json)
        if not args.json:
            print("\nworkbench claims run CLAIM trains what one takes and says why its verdict is what it is")
        return FINE
    if args.action == "report":
        path = report.write(folder)
        print_json({"page": path}) if args.json else print(path)
        return FINE
    if args.action == "run":
        return _run(args)
    name = {"switches": "switches", "cost": "learning-curve", "lens": "protocols"}[args.action]
    if args.action != "lens":
        args.workers = 0  # one after the other, so that seconds can be compared
    if args.action == "switches":
        study, data = studies.load(name, method=args.words[0], seeds=seeds), args.words[1:]
    elif args.action == "lens":
        study, data = studies.load(name, claims=args.words, seeds=seeds), None
    else:
        study, data = studies.load(name, seeds=seeds), args.words
    code = conduct(args, study, data, file := folder / f"{name}.csv")
    if not args.json:
        print(f"\nkept in {file}; workbench claims report tells of it")
    return code


def _run(args: argparse.Namespace) -> int:
    from workbench import studies
    from workbench.studies import published, results, verdicts

    study = studies.load("reproduction", claims=args.words, seeds=args.seeds)
    outcomes, rows = trained(args, study, None)
    kept = results.add(rows, folder_of(args) / "reproduction.csv")
    cells = [claim for claim in map(published.find, args.words) if isinstance(claim, published.Cell)]
    found = [{"claim": cell.id, "published": cell.value, **vars(verdicts.of_cell(cell, kept))} for cell in cells]
    means = rows[rows["metric"] == "accuracy"].groupby(["data", "protocol", "condition"], sort=False)["value"].mean()
    if args.json:
        print_json({"trainings": states(outcomes), "accuracy": means.reset_index(), "verdicts": found})
    else:
        show_table(states(outcomes).drop(columns="folder"), as_json=False)
        print()
        show_table(means.round(2).reset_index(), as_json=False)
        for row in found:
            print(f"\n{row['claim']}: published {row['published']}, {row['word']}: {row['reason']}")
    return FINE if all(outcome.state in ("stored", "trained") for outcome in outcomes) else 1
