"""Hold published numbers against ours: list the verdicts, measure what they take, or write the page of all."""

import argparse

from workbench.cli.output import FAILED, FINE, act, print_json, show_table
from workbench.cli.study import KEPT as KEPT
from workbench.cli.study import add_execution, add_results, conduct, finished, folder_of, states, trained, write_page


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = "list | run CLAIM ... | switches METHOD GRAPH ... | cost GRAPH ... | lens CLAIM ... | report"
    parser.add_argument("action", metavar="ACTION", help=actions)
    parser.add_argument("words", nargs="*", metavar="WORD", help="a claim is a published number, e.g. str-gcl/cora")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds (default: %(default)s)")
    add_execution(parser, workers=None)
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    studies = {
        "switches": (_run_study, "METHOD GRAPH ..."),
        "cost": (_run_study, "GRAPH ..."),
        "lens": (_run_study, "CLAIM ..."),
    }
    return act(args, {"list": (_list, ""), "run": (_run, "CLAIM ..."), "report": (write_page, ""), **studies})


def _list(args: argparse.Namespace) -> int:
    from workbench.studies import report, results

    table = report.cells(results.read("reproduction", folder_of(args)))
    if args.json:
        return show_table(table, as_json=True)
    show_table(table.drop(columns="reason"))
    print("\nworkbench claims run CLAIM trains what one takes and says why its verdict is what it is")
    return FINE


def _run_study(args: argparse.Namespace) -> int:
    from workbench import studies

    name, changes, data = {
        "switches": ("switches", {"method": args.words[0]}, args.words[1:]),
        "cost": ("learning-curve", {}, args.words),
        "lens": ("protocols", {"claims": args.words}, None),
    }[args.action]
    if args.action != "lens":
        args.workers = 0  # one after the other, so that seconds can be compared
    file = folder_of(args) / f"{name}.csv"
    code = conduct(args, studies.load(name, seeds=args.seeds, **changes), data, file)
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
    judged = [{"claim": cell.id, "published": cell.value, **vars(verdicts.of_cell(cell, kept))} for cell in cells]
    means = rows[rows["metric"] == "accuracy"].groupby(["data", "protocol", "condition"], sort=False)["value"].mean()
    if args.json:
        print_json({"trainings": states(outcomes), "accuracy": means.reset_index(), "verdicts": judged})
    else:
        show_table(states(outcomes).drop(columns="folder"))
        print()
        show_table(means.round(2).reset_index())
        for row in judged:
            print(f"\n{row['claim']}: published {row['published']}, {row['word']}: {row['reason']}")
    return FINE if finished(outcomes) else FAILED
