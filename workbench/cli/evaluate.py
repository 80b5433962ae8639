"""Score a stored run, on request beside the baselines; of users and items always, and by strata of both."""

from argparse import Namespace

import workbench as wb
from workbench.cli.output import Option, add_graph, add_run, facts_of, graph_of, show, show_table

KEPT = "the run is stored as before"


def add(option: Option) -> None:
    add_run(option)
    option("--protocol", help="default: the one of this kind of data, random-10-10-80 for nodes")
    option("--splits", type=int, default=10, help="default: %(default)s")
    option("--seed", type=int, default=0, help="of the splits (default: %(default)s)")
    option("--solver", help="liblinear or fast; of links cosine, 'dot product' or logistic (default: the protocol's)")
    about = "beside what trains nothing, such as raw attributes, and the untrained encoder"
    option("--baselines", action="store_true", help=about)
    add_graph(option)


def run(args: Namespace) -> None:
    if args.protocol:
        wb.protocols.get(args.protocol)  # a misspelt word is told before anything is loaded
    run = wb.runs.load(wb.runs.find(args.run_name))
    graph = graph_of(run, args)
    options = {"protocol": args.protocol, "splits": args.splits, "seed": args.seed, "solver": args.solver}
    if args.baselines:
        table = wb.compare(run, graph, **options)
        show_table(table if args.json else wb.evaluation.format(table), args.json)
    else:
        scores = wb.evaluate(run, graph, **options)
        text = f"{run.method} on {run.graph}, preset {run.preset}, training seed {run.seed}: {scores}"
        facts = {**facts_of(run), "scores": scores.as_dict()}
        if wb.protocols.get(scores.protocol).probe != "ranking":
            show(args, facts, text)
            return
        store = run.path.parent if run.path else None
        baselines, said = wb.evaluation.beside_baselines(scores, graph, store)
        strata = wb.evaluation.ranking.strata(wb.evaluation.by_item(run, graph), graph)
        show(args, {**facts, "baselines": baselines, "strata": strata.to_dict("records")}, f"{text}\n{said}\n")
        if not args.json:
            show_table(strata.round(1))
