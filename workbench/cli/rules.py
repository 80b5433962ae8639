"""List or show named rules, evaluate a rule on a graph, or train Str-GCL with and without what rules say."""

import argparse
from pathlib import Path
from typing import Any

from workbench.cli.output import FINE, add_json, check_out, print_json, show_facts, show_table
from workbench.cli.study import conduct
from workbench.errors import UserError, unknown


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)
    parser.add_argument("action", metavar="ACTION", help="list | show RULE | eval RULE GRAPH | placebo GRAPH ...")
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="a rule is a name or a formula in quotes, a graph a name or a file"
    )
    parser.add_argument(
        "--top", type=int, default=20, metavar="NODES", help="eval: nodes to show, the highest (default: %(default)s)"
    )
    parser.add_argument("--explain", type=int, metavar="NODE", help="eval: the truth tree of this node")
    parser.add_argument(
        "--semantics", default="crisp", help="eval: crisp, product, godel or lukasiewicz (default: %(default)s)"
    )
    parser.add_argument(
        "--steepness", type=float, default=10.0, help="eval: of graded comparisons (default: %(default)s)"
    )
    parser.add_argument(
        "--rule",
        action="append",
        metavar="RULE",
        help="placebo: train on this one; may be repeated (default: released)",
    )
    parser.add_argument(
        "--seeds", type=int, default=5, help="placebo: training seeds of each condition (default: %(default)s)"
    )
    parser.add_argument("--preset", default="quick", help="placebo: of str-gcl (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", help="placebo: add the rows to this CSV")


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    actions = {
        "list": (_list_rules, ""),
        "show": (_show_rule, "RULE"),
        "eval": (_eval_rule, "RULE GRAPH"),
        "placebo": (_placebo, "GRAPH ..."),
    }
    if args.action not in actions:
        raise unknown("action", args.action, actions, "of workbench rules")
    act, wanted = actions[args.action]
    given = len(args.words)
    if given < len(wanted.replace(" ...", "").split()) or (given > len(wanted.split()) and "..." not in wanted):
        raise UserError(f"workbench rules {args.action} takes {wanted or 'nothing more'}, and {given} words were given")
    return act(args)


def _list_rules(args: argparse.Namespace) -> int:
    from workbench import rules

    found = [rules.get(name) for name in rules.names()]
    if args.json:
        print_json([vars(rule) for rule in found])
    else:
        show_table([{"rule": rule.name, "what it says": rule.says} for rule in found], as_json=False)
    return FINE


def _show_rule(args: argparse.Namespace) -> int:
    from workbench import rules

    tree, word = rules.formula(args.words[0]), args.words[0].casefold()
    facts = vars(rules.get(word)) if word in rules.names() else {}
    facts = {**facts, "formula": str(tree), "latex": rules.to_latex(tree)}
    if args.json:
        print_json({**facts, "tree": rules.to_tree(tree)})
    else:
        show_facts({name: value for name, value in facts.items() if value}, as_json=False)
        print(f"\n{rules.to_tree(tree)}")
    return FINE


def _eval_rule(args: argparse.Namespace) -> int:
    from workbench import rules
    from workbench.datasets import load_graph
    from workbench.rules.explanation import explain

    if args.top < 0:
        raise UserError(f"--top is {args.top}; it must be 0 or more")
    tree, semantics = rules.formula(args.words[0]), rules.Semantics(args.semantics, args.steepness)
    terms = rules.Terms(graph := load_graph(args.words[1]))
    evaluation = rules.Evaluation(tree, terms, semantics)
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
    told = None if args.explain is None else explain(evaluation, args.explain)
    if args.json:
        print_json({**facts, "top": rows, "explanation": told and str(told)})
        return FINE
    show_facts(facts, as_json=False)
    if told is not None:
        print(f"\nnode {args.explain}:\n{told}")
    if rows:
        print()
        show_table(rows, as_json=False)
    return FINE


def _placebo(args: argparse.Namespace) -> int:
    from workbench import studies

    check_out(args.out)
    rules = {"rules": tuple(args.rule)} if args.rule else {}
    study = studies.load("placebo", seeds=args.seeds, preset=args.preset, **rules)
    return conduct(args, study, args.words, Path(args.out) if args.out else None)
