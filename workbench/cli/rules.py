"""List or show named rules, evaluate one, search for others, or train Str-GCL with and without what rules say."""

from argparse import Namespace
from typing import Any

import workbench as wb
from workbench.cli.output import Option, act, print_json, say, show_facts, show_table
from workbench.cli.study import conduct
from workbench.errors import UserError

KEPT = "the trainings that were finished are stored; the same command goes on"


def add(option: Option) -> None:
    option("action", metavar="ACTION", help="list | show RULE | eval RULE GRAPH | search GRAPH | placebo GRAPH ...")
    option("words", nargs="*", metavar="WORD", help="a rule is a name or a formula in quotes, a graph a name or a file")
    about = "eval: nodes to show, the highest; search: rules to show (default: %(default)s)"
    option("--top", type=int, default=20, metavar="NUMBER", help=about)
    option("--explain", type=int, metavar="NODE", help="eval: the truth tree of this node")
    option("--semantics", default="crisp", help="eval: crisp, product, godel or lukasiewicz (default: %(default)s)")
    option("--steepness", type=float, default=10.0, help="eval: of graded comparisons (default: %(default)s)")
    about = "placebo: train on this one; may be repeated (default: released)"
    option("--rule", action="append", metavar="RULE", help=about)
    option("--seeds", type=int, default=5, help="placebo: training seeds of each condition (default: %(default)s)")
    about = "search: the method whose encoders of seeds 0 and 1 are compared (default: %(default)s)"
    option("--method", default="few-negatives", help=about)
    about = "placebo: of str-gcl, search: of the method (default: %(default)s)"
    option("--preset", default="quick", help=about)
    option("--out", metavar="FILE", help="placebo: add the rows to this CSV")


def run(args: Namespace) -> int | None:
    actions = {
        "list": (_list_rules, ""),
        "show": (_show_rule, "RULE"),
        "eval": (_eval_rule, "RULE GRAPH"),
        "search": (_search, "GRAPH"),
        "placebo": (_placebo, "GRAPH ..."),
    }
    return act(args, actions)


def _list_rules(args: Namespace) -> None:
    named = [wb.rules.get(name) for name in wb.rules.names()]
    rows = [vars(rule) if args.json else {"rule": rule.name, "what it says": rule.says} for rule in named]
    show_table(rows, args.json)


def _show_rule(args: Namespace) -> None:
    tree, word = wb.rules.formula(args.words[0]), args.words[0].casefold()
    facts = vars(wb.rules.get(word)) if word in wb.rules.names() else {}
    facts = {**facts, "formula": str(tree), "latex": wb.rules.to_latex(tree)}
    if args.json:
        print_json({**facts, "tree": wb.rules.to_tree(tree)})
    else:
        show_facts({name: value for name, value in facts.items() if value})
        print(f"\n{wb.rules.to_tree(tree)}")


def _eval_rule(args: Namespace) -> None:
    from workbench.rules.explanation import explain

    if args.top < 0:
        raise UserError(f"--top is {args.top}; it must be 0 or more")
    tree, semantics = wb.rules.formula(args.words[0]), wb.rules.Semantics(args.semantics, args.steepness)
    terms = wb.rules.Terms(graph := wb.load_graph(args.words[1]))
    evaluation = wb.rules.Evaluation(tree, terms, semantics)
    values = evaluation.result()
    facts: dict[str, Any] = {"formula": str(tree), "graph": graph.name, "semantics": semantics.name}
    if tree.sort == "truth" and semantics.name == "crisp":
        facts["true"] = f"{int(values.sum()):,} of {len(values):,} nodes"
    elif len(values):
        facts |= {"lowest": float(values.min()), "mean": float(values.mean()), "highest": float(values.max())}
    names, degree = getattr(graph, "node_names", None), terms.node("degree")
    rows = [
        {"node": i, **({"name": names[i]} if names else {}), "value": float(values[i]), "degree": int(degree[i])}
        for i in values.argsort(descending=True, stable=True)[: args.top].tolist()
    ]
    explanation = None if args.explain is None else str(explain(evaluation, args.explain))
    if args.json:
        print_json({**facts, "top": rows, "explanation": explanation})
        return
    show_facts(facts)
    if explanation is not None:
        say(f"\nnode {args.explain}:\n{explanation}")
    if rows:
        print()
        show_table(rows)


def _search(args: Namespace) -> None:
    graph = wb.load_graph(args.words[0])
    run, other = (wb.fit(args.method, graph, args.preset, seed, progress=False) for seed in (0, 1))
    table = wb.rules.search(graph, run, other, args.top)
    show_table(table.to_dict("records"), args.json)


def _placebo(args: Namespace) -> int:
    rules = {"rules": tuple(args.rule)} if args.rule else {}
    study = wb.studies.load("placebo", seeds=args.seeds, preset=args.preset, **rules)
    return conduct(args, study, args.words, args.out)
