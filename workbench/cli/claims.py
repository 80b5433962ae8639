"""Hold published numbers against ours: list the verdicts, measure what they take, or write the page of all."""

from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, act, code_of, print_json, show_table
from workbench.cli.study import KEPT as KEPT
from workbench.cli.study import add_execution, add_results, conduct, folder_of, trained, write_page


def add(option: Option) -> None:
    actions = "list | run CLAIM ... | switches METHOD GRAPH ... | cost GRAPH ... | lens CLAIM ... | report"
    option("action", metavar="ACTION", help=actions)
    option("words", nargs="*", metavar="WORD", help="a claim is a published number, e.g. str-gcl/cora")
    option("--seeds", type=int, default=3, help="training seeds (default: %(default)s)")
    add_execution(option, workers=None)
    add_results(option)


def run(args: Namespace) -> int | None:
    actions = {
        "list": (_list, ""),
        "run": (_run, "CLAIM ..."),
        "switches": (_run_study, "METHOD GRAPH ..."),
        "cost": (_run_study, "GRAPH ..."),
        "lens": (_run_study, "CLAIM ..."),
        "report": (write_page, ""),
    }
    return act(args, actions, lambda: f"claims are {', '.join(wb.studies.published.runnable())}")


def _list(args: Namespace) -> None:
    table = wb.studies.report.cells(wb.studies.read("reproduction", folder_of(args)))
    show_table(table if args.json else table.drop(columns="reason"), args.json)
    if not args.json:
        print("\nworkbench claims run CLAIM trains what one takes and says why its verdict is what it is")


def _run_study(args: Namespace) -> int:
    name, changes, data = {
        "switches": ("switches", {"method": args.words[0]}, args.words[1:]),
        "cost": ("learning-curve", {}, args.words),
        "lens": ("protocols", {"claims": args.words}, None),
    }[args.action]
    if args.action != "lens":
        args.workers = 0  # one after the other, so that seconds can be compared
    file = folder_of(args) / f"{name}.csv"
    code = conduct(args, wb.studies.load(name, seeds=args.seeds, **changes), data, file)
    if not args.json:
        print(f"\nkept in {file}; workbench claims report tells of it")
    return code


def _run(args: Namespace) -> int:
    from workbench.studies import published, verdicts

    study = wb.studies.load("reproduction", claims=args.words, seeds=args.seeds)
    outcomes, rows = trained(args, study)
    states = wb.studies.execute.table(outcomes)
    kept = wb.studies.results.add(rows, folder_of(args) / "reproduction.csv")
    cells = [claim for claim in map(published.find, args.words) if isinstance(claim, published.Cell)]
    judged = [{"claim": cell.id, "published": cell.value, **vars(verdicts.of_cell(cell, kept))} for cell in cells]
    means = rows[rows["metric"] == "accuracy"].groupby(["data", "protocol", "condition"], sort=False)["value"].mean()
    if args.json:
        print_json({"trainings": states, "accuracy": means.reset_index(), "verdicts": judged})
    else:
        show_table(states.drop(columns="folder"))
        print()
        show_table(means.round(2).reset_index())
        for row in judged:
            print(f"\n{row['claim']}: published {row['published']}, {row['word']}: {row['reason']}")
    return code_of(outcomes)
