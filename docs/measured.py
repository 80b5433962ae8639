"""Print docs/results/families.md, made from what was measured of systems on other data than one graph of nodes."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from workbench.evaluation.statistics import paired_difference

RESULTS = Path(__file__).parent / "results"
KEYS = ["method", "preset", "change"]


class Claim(NamedTuple):
    """What one row of a table is said to be above another, each named by (method, beginning of its change)."""

    says: str
    first: tuple[str, str]
    second: tuple[str, str]


# Of each file: its title, what it holds, and per table (graph, protocol, measure) the claims.
Table = tuple[str, str, str]
FAMILIES: dict[str, tuple[str, str, dict[Table, list[Claim]]]] = {
    "hetero": (
        "Typed graphs: HeCo, MEOW, AdaMEOW",
        "Preset `quick`, with fewer epochs where that is said; 10 restarts of the probe, their mean is here. "
        "`library` is made by this project. What the authors publish stands among [the claims](claims.md), with a "
        "spread over restarts of the probe; that over trainings is larger.",
        {
            ("acm-typed", "heco-40", "macro_f1"): [
                Claim(
                    "HeCo is above X propagated along paper-author-paper",
                    ("heco", "epochs"),
                    ("baseline", "Â²X along pap"),
                ),
                Claim("Shuffled positives lose", ("heco", "epochs"), ("heco", "shuffled")),
                Claim("MEOW is above HeCo", ("meow", "epochs"), ("heco", "epochs")),
                Claim("Weights by clusters gain over weights of 1", ("meow", "epochs"), ("meow", "all weights 1")),
            ],
            ("library", "heco-20", "macro_f1"): [
                Claim("Learned weights gain over weights of 1", ("adameow", "epochs"), ("adameow", "all weights 1")),
                Claim(
                    "They gain over those of another anchor", ("adameow", "epochs"), ("adameow", "weights of another")
                ),
            ],
        },
    ),
    "graph-level": (
        "Sets of graphs: InfoGraph, GraphCL, D-SLA",
        "The seed is that of the training and of the folds. `edit-order` is the rank correlation of embedded and true "
        "distances within held-out ladders of edited graphs. Rate and epochs of D-SLA's `quick` were set after a look "
        "at accuracies on MUTAG, so that its accuracy there is no evidence for it. On IMDB-BINARY sums of one-hot "
        "degrees reach what InfoGraph's authors publish (73.0).",
        {
            ("mutag", "svc-10-folds", "accuracy"): [
                Claim("InfoGraph is above its untrained encoder", ("infograph", ""), ("infograph", "untrained")),
                Claim("Nodes paired with a graph at random lose", ("infograph", ""), ("infograph", "owner")),
                Claim("GraphCL is above its untrained encoder", ("graphcl", ""), ("graphcl", "untrained")),
                Claim("It is above GraphCL whose views change nothing", ("graphcl", ""), ("graphcl", "view=identity")),
                Claim("D-SLA is above its untrained encoder", ("d-sla", ""), ("d-sla", "untrained")),
            ],
            ("mutag", "edit-order", "spearman"): [
                Claim("D-SLA orders ladders better than its untrained encoder", ("d-sla", ""), ("d-sla", "untrained")),
                Claim("Distances shuffled within a ladder lose", ("d-sla", ""), ("d-sla", "distances")),
            ],
            ("imdb-binary", "svc-10-folds", "accuracy"): [],
        },
    ),
    "generative": (
        "Pretexts and several tasks: SelfTask, ParetoGNN",
        "Links of Texas are held out before training. Of CiteSeer it is the classifier that SelfTask trains beside its "
        "pretext, at the last epoch: its release takes the epoch of the best validation accuracy, which no method here "
        "sees.",
        {
            ("texas:links", "four tasks: nodes", "accuracy"): [
                Claim("Pareto weights gain over equal ones", ("paretognn", "pareto"), ("paretognn", "uniform")),
                Claim("They gain over weights drawn at each step", ("paretognn", "pareto"), ("paretognn", "dirichlet")),
                Claim("ParetoGNN is above raw attributes", ("paretognn", "pareto"), ("raw attributes", "")),
            ],
            ("texas:links", "four tasks: clusters", "nmi"): [],
            ("texas:links", "four tasks: links", "auc"): [],
            ("texas:links", "four tasks: parts", "accuracy"): [],
            ("citeseer", "public test part, own classifier, last epoch", "accuracy"): [
                Claim(
                    "Corrected labels gain over no pretext",
                    ("selftask", "corrected-label, iterative"),
                    ("selftask", "no pretext"),
                ),
                Claim(
                    "Permuted answers lose",
                    ("selftask", "corrected-label, iterative"),
                    ("selftask", "corrected-label, iterative, permuted"),
                ),
            ],
        },
    ),
}


def markdown() -> str:
    """Return the page."""
    lines = [
        "# Other data than one graph of nodes: what a training is worth",
        "",
        "Written by `docs/measured.py` from the CSV files beside it; [another page](recommendation.md) tells of users",
        "and items. These are short trainings on two cores, three seeds where no other number is said: what fails here",
        "may hold at the authors' length. *Holds* means that the 95 % interval of the paired difference over seeds",
        "lies above 0, *contradicted* that it lies below. What trains nothing stands beside where it was measured.",
    ]
    for file, (title, text, tables) in FAMILIES.items():
        rows = pd.read_csv(
            RESULTS / f"{file}.csv", dtype={"change": str}, keep_default_na=False, na_values={"value": [""]}
        )
        lines += ["", f"## {title}", "", f"{text} Rows: [{file}.csv]({file}.csv)."]
        for (graph, protocol, measure), claims in tables.items():
            here = rows[(rows["graph"] == graph) & (rows["protocol"] == protocol) & (rows["measure"] == measure)]
            if here.empty:
                raise ValueError(f"{file}.csv has no {measure} of {graph} by {protocol}")
            lines += ["", f"### {graph}, {protocol}: {measure.replace('_', ' ')}", "", *_measured(here)]
            lines += ["", "| claim | difference (95 %) | verdict |", "|---|---|---|"] if claims else []
            lines += [_judged(claim, here) for claim in claims]
    return "\n".join(lines) + "\n"


def _measured(rows: pd.DataFrame) -> list[str]:
    lines = ["| method | preset | change | mean ± deviation | seeds |", "|---|---|---|---|---|"]
    for (method, preset, change), values in rows.groupby(KEYS, sort=False)["value"]:
        digits = 2 if values.abs().max() <= 1 else 1  # a correlation, else percent
        spread = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
        seeds = len(values) if rows.loc[values.index, "seed"].ne("").all() else "–"
        lines.append(f"| {method} | {preset} | {change or '–'} | {values.mean():.{digits}f}{spread} | {seeds} |")
    return lines


def _judged(claim: Claim, rows: pd.DataFrame) -> str:
    first, second = (_values(rows, *side) for side in (claim.first, claim.second))
    common = sorted(set(first.index) & set(second.index))
    pairs = (first[common], second[common]) if common else (first, pd.Series([second.iloc[0]] * len(first)))
    found: Any = paired_difference(*(list(side) for side in pairs))
    said = "holds" if found.low > 0 else "contradicted" if found.high < 0 else "not separable"
    digits = 2 if pairs[0].abs().max() <= 1 else 1
    middle, low, high = (f"{value:+.{digits}f}" for value in (found.mean, found.low, found.high))
    return f"| {claim.says} | {middle} [{low}, {high}] | {said} |"


def _values(rows: pd.DataFrame, method: str, change: str) -> pd.Series:
    mine = rows[rows["method"] == method]
    for preset in ("quick", *mine["preset"].unique()):  # `quick` where there are several
        some = mine[mine["preset"] == preset]
        exact = some[some["change"] == change]
        chosen = exact if len(exact) else some[some["change"].str.startswith(change)]
        if len(chosen):
            return chosen.set_index("seed")["value"]
    raise ValueError(f"no row of {method} begins with {change!r}")


if __name__ == "__main__":
    (RESULTS / "families.md").write_text(markdown(), encoding="utf-8")
