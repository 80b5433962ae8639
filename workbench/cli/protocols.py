"""List the protocols that scores come from, or describe one: how it scores, after whom, and what is wrong with it."""

from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, show_facts, show_table


def add(option: Option) -> None:
    option("protocol", nargs="?", metavar="PROTOCOL", help="a name; without it, list the names")


def run(args: Namespace) -> None:
    if args.protocol is not None:
        rules = wb.protocols.get(args.protocol)
        facts = {"protocol": rules.name, "scores": ", ".join(rules.kinds), "probe": rules.probe}
        rest = {"flawed": rules.flawed or "", "source": rules.source, "description": rules.description}
        show_facts({name: value for name, value in (facts | rest).items() if value or args.json}, args.json)
        return
    rows = [
        {
            "protocol": rules.name,
            "scores": ", ".join(rules.kinds),
            "probe": rules.probe,
            "flawed": "yes" if rules.flawed else "no",
            "source": rules.source,
        }
        for rules in wb.protocols.in_order(wb.protocols.names())
    ]
    show_table(rows, args.json)
