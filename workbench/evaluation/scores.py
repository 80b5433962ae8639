"""Scores of one embedding under one protocol: numbers that carry their spread, and what the spread is over."""

import html
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from sklearn.preprocessing import normalize
from tqdm.auto import tqdm

from workbench.datasets.door import as_computed
from workbench.datasets.kinds import content_hash
from workbench.datasets.labels import label_sets, several_labels
from workbench.errors import UserError, unknown
from workbench.evaluation import cache, clusters, links, own, probes, protocols, ranking, restarts, several
from workbench.evaluation.areas import TARGETS
from workbench.evaluation.embeddings import Embeddings, Features, by_item, compact_labels, looked_at, told_labels
from workbench.evaluation.protocols import LABELS
from workbench.evaluation.splits import CLUSTERED, OWN, Protocol, Split, over
from workbench.evaluation.statistics import Measure
from workbench.randomness import Randomness

VERSION = 2  # raise it when a change of this package changes numbers: stored scores of an older version are not reused
OTHERS_SEEN = "the training was supervised, by labels of other items than are scored"


@dataclass(frozen=True)
class Scores:
    """What a protocol says of one embedding.

    Measures are "accuracy" (equal to micro F1, since each item has one class) and "macro_f1" over the splits, of
    clusters "nmi" and "ari" as well; "micro_f1" and "macro_f1" of several labels per item; "recall@20", "ndcg@20", ...
    over users; or "auc", "hits@20", ... of links, or of tasks. A row of `per_split` holds the measures in percent, the
    chosen C or step, the sizes of the parts, and how many classes have no training item (they are never predicted and
    count as wrong); of clusters a start is a split, of links a draw of other pairs; a ranking has one row.
    """

    measures: dict[str, Measure]  # means in percent
    per_split: pd.DataFrame
    protocol: str
    solver: str  # what fitted the probe: "liblinear", "fast", "adam", "svc"; else "k-means", "argmax" or "dot product"
    steps: int | None  # gradient steps of a linear layer, None for other probes
    normalised: bool  # whether each embedding was divided by its L2 norm first
    seed: int  # of the splits
    flawed: str | None  # the protocol's flaw in a sentence
    seconds: float  # wall time of the evaluation when it was computed

    @property
    def accuracy(self) -> Measure:
        """The mean accuracy in percent; of restarts micro F1, which is the same where each item has one class."""
        return self._measure("micro_f1" if "auc" in self.measures else "accuracy")

    @property
    def macro_f1(self) -> Measure:
        """The mean macro F1 in percent."""
        return self._measure("macro_f1")

    @property
    def main(self) -> Measure:
        """The protocol's first measure, by which methods are compared."""
        return next(iter(self.measures.values()))

    @property
    def fitted(self) -> str:
        """The solver, with its steps."""
        return self.solver if self.steps is None else f"{self.solver} {self.steps:,} steps"

    @property
    def at_an_end(self) -> str | None:
        """In how many splits the chosen C is the least or the largest of the protocol's, where it is in any."""
        grid, chosen = protocols.get(self.protocol).grid, self.per_split.get("C")
        if not grid or chosen is None or not (bound := int(chosen.isin([grid[0], grid[-1]]).sum())):
            return None
        return f"C at an end of its range in {bound} of {len(chosen)} splits"

    @property
    def _doubts(self) -> list[str]:
        """What must stand beside the numbers, a clause each."""
        flaw = self.flawed if self.flawed == OTHERS_SEEN else self.flawed and f"FLAWED: {self.flawed}"
        return [*filter(None, [self.at_an_end, flaw])]

    def _measure(self, name: str) -> Measure:
        if name not in self.measures:
            raise UserError(f"protocol {self.protocol!r} measures no {name}, but {', '.join(self.measures)}")
        return self.measures[name]

    def __str__(self) -> str:
        fitted = self.solver if self.steps is None else f"{self.solver}, {self.steps:,} steps"
        if self.normalised != protocols.get(self.protocol).normalise:
            fitted += ", rows normalised" if self.normalised else ", rows as they are"
        spread = f"mean over {self.main.over}" if np.isnan(self.main.std) else f"mean ± {self.main.over}"
        shown = ", ".join(f"{LABELS.get(name, name)} {measure} %" for name, measure in self.measures.items())
        return f"{shown} ({self.protocol}, {fitted}; {'; '.join([spread, *self._doubts])})"

    def _repr_html_(self) -> str:
        """Show one line per measure in a notebook, below the protocol."""
        rows = {LABELS.get(name, name): [f"{measure} %", measure.over] for name, measure in self.measures.items()}
        table = pd.DataFrame.from_dict(rows, "index", columns=["mean ± spread", "spread"]).to_html(border=0)
        return f"<b>{html.escape(', '.join([self.protocol, self.fitted, *self._doubts]))}</b>{table}"

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""
        plain = dict(vars(self))
        for name, measure in plain.pop("measures").items():
            spread = None if np.isnan(measure.std) else measure.std
            plain[name] = {"mean": float(measure), "std": spread, "over": measure.over}
        return plain | {"per_split": self.per_split.to_dict(orient="list")}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Scores":
        """Rebuild scores from `as_dict`."""
        facts, measures = dict(plain), {}
        for name, value in plain.items():
            if isinstance(value, dict) and "mean" in value:
                spread = np.nan if value["std"] is None else value["std"]
                measures[name] = Measure(facts.pop(name)["mean"], spread, value["over"])
        facts["per_split"] = pd.DataFrame(facts["per_split"]).rename_axis("split")
        return cls(measures, **facts)


def evaluate(
    run_or_embeddings: Embeddings,
    data: Any,
    protocol: str | None = None,
    splits: int = 10,
    seed: int = 0,
    solver: str | None = None,
    steps: int | None = None,
    normalise: bool | None = None,
    fresh: bool = False,
    progress: bool = True,
) -> Scores:
    """Score frozen embeddings by a probe on the labels of data, by clusters, or by what was held out.

    The spread is over the splits, or users, of this one embedding, never over training seeds (see `compare`). Scores of
    a stored run are kept beside it and loaded when the same is asked again.

    Args:
        run_or_embeddings: a run, or a matrix [items, dim]; for users and items a matrix by each name, "user" and
            "item", or a function from users to their scores of all items.
        data: what the run was trained on, with its labels or held-out interactions.
        protocol: name of a protocol that scores this kind of data; None for the kind's own, or for "multi-label" where
            y is a matrix [items, classes] of 0 and 1.
        splits: how many, of clusters the starts; where the splits come with the graph, at most as many as it has, and
            ten folds at most.
        seed: of the splits and of the probe's initial weights.
        solver, steps, normalise: "liblinear" or "fast" for logistic regression, gradient steps of a linear layer, and
            whether each embedding is divided by its L2 norm first; None: as the protocol does.
        fresh: compute even where stored scores exist. progress: show a bar over the splits.

    Raises:
        UserError: unknown protocol or solver, an option the protocol lacks, data that it cannot be used on, data that
            are not the run's, or a run without the embeddings on the way, or the clusters, that the protocol looks at.
    """
    kind, data = as_computed(data)
    rules = protocols.of(kind, protocol, several_labels(data))
    solver, steps = _options(rules, solver, steps)
    normalise = rules.normalise if normalise is None else normalise
    x: Any
    if rules.probe in ("ranking", "links"):
        look = by_item if rules.probe == "ranking" else links.looked_at
        x, against = look(run_or_embeddings, data), content_hash(data)
    else:
        usual = label_sets if rules.several else told_labels
        labels: Any = (TARGETS[rules.probe].read if rules.probe in TARGETS else usual)(rules.labelled(data))
        parts = rules.splits(data, splits, seed)
        if rules.probe in OWN:
            parts = [own.scored_part(run_or_embeddings, parts[0], rules)]
        arrays = [part for split in parts for part in vars(split).values() if part is not None]
        x = looked_at(run_or_embeddings, data, rules)
        against = cache.digest(labels, *arrays)
        rules = replace(rules, flawed=_seen(run_or_embeddings, parts, rules.flawed))

    def compute() -> Scores:
        began = time.perf_counter()
        if rules.probe == "ranking":
            measures, per_split = _ranked(x, data, normalise, rules.stratum)
        elif rules.probe == "links":
            per_split = links.per_draw(x, data, splits, seed, solver, normalise)
            measures = _measures(per_split, links.MEASURES, over(rules, data, splits), 1)
        elif rules.probe in OWN:
            per_split = own.per_run(x, labels, parts[0])
            measures = _measures(per_split, own.MEASURES, over(rules, data, 1), 1)
        elif rules.probe in CLUSTERED:
            per_split = clusters.per_start(x, labels, len(parts), seed, normalise).rename_axis("split")
            measures = _measures(per_split, clusters.MEASURES, over(rules, data, len(parts)), 1)
        else:
            bar = tqdm(parts, desc=rules.name, unit="split", leave=False, disable=None if progress else True)
            rows = normalize(x) if normalise else x
            if rules.probe == "restarts":
                per_split = restarts.per_restart(rows, data, parts[0], len(parts), steps or 1, seed)
                measures = _measures(per_split, restarts.MEASURES, over(rules, data, len(parts)), 1)
            elif rules.probe in TARGETS:
                by = TARGETS[rules.probe]
                per_split = by.per_split(rows, labels, getattr(data, "targets", ()), bar, rules.grid)
                measures = _measures(per_split, by.measures, over(rules, data, len(parts)), 0)
            elif rules.several:
                per_split = several.per_split(rows, labels, bar, solver, rules.grid)
                measures = _measures(per_split, several.MEASURES, over(rules, data, len(parts)), 1)
            else:
                measures, per_split = _probed(rules, rows, rules.labelled(data), bar, solver, steps, seed)
        seconds = time.perf_counter() - began
        return Scores(measures, per_split, rules.name, solver, steps, normalise, seed, rules.flawed, seconds)

    if (path := getattr(run_or_embeddings, "path", None)) is None:
        return compute()
    asked = {"version": VERSION, "protocol": rules.name, "splits": splits, "seed": seed, "solver": solver}
    asked |= {"steps": steps, "normalise": normalise, "labels_and_splits": against}
    asked["embeddings"] = cache.digest(*(x.values() if isinstance(x, dict) else [x]))
    sealed = getattr(run_or_embeddings, "checksums", True)
    return Scores.from_dict(cache.scores(path / "scores", asked, fresh, lambda: compute().as_dict(), sealed))


def _seen(run: Any, parts: Iterable[Any], flawed: str | None) -> str | None:
    """Return a protocol's flaw, and of how many scored items a supervised training had learned the labels."""
    if getattr(run, "labels", None) is None:
        return flawed
    scored = np.unique(np.concatenate([getattr(part, "test", np.empty(0, np.int64)) for part in parts]))
    known = int(run.details["labelled"].numpy()[scored].sum()) if len(scored) else int(run.details["labelled"].sum())
    told = f"the training was supervised and had seen the labels of {known:,} of the scored items"
    return "; ".join(filter(None, [flawed, told if known else OTHERS_SEEN]))


def _options(rules: Protocol, solver: str | None, steps: int | None) -> tuple[str, int | None]:
    if solver is not None and solver not in rules.solvers:
        raise unknown("solver", solver, rules.solvers, f"of protocol {rules.name!r}")
    if steps is None:
        steps = rules.steps
    elif rules.steps is None:
        raise UserError(f"protocol {rules.name!r} trains no linear layer and has no steps to set")
    elif steps < probes.PICK_EVERY:
        raise UserError(f"steps must be at least {probes.PICK_EVERY}, the first step that can be picked, not {steps}")
    return solver or rules.solvers[0], steps


def _ranked(x: Any, data: Any, normalise: bool, stratum: str) -> tuple[dict[str, Measure], pd.DataFrame]:
    if normalise and isinstance(x, dict):
        x = {name: normalize(part) for name, part in x.items()}
    per_user = ranking.ranked(x, data, stratum)
    errors, over = per_user.sem(), f"standard error over {len(per_user):,} users of one embedding"
    measures = {name: Measure(per_user[name].mean(), errors[name], over) for name in per_user}
    return measures, per_user.mean().to_frame().T.assign(users=len(per_user)).rename_axis("split")


def _measures(per_split: pd.DataFrame, names: Iterable[str], over: str, ddof: int) -> dict[str, Measure]:
    measures = {}
    for name in names:
        deviation = per_split[name].std(ddof=ddof) if len(per_split) > 1 else np.nan
        measures[name] = Measure(per_split[name].mean(), deviation, over)
    return measures


def _probed(
    rules: Protocol, x: Features, data: Any, parts: Iterable[Split], solver: str, steps: int | None, seed: int
) -> tuple[dict[str, Measure], pd.DataFrame]:
    truth, classes = compact_labels(data)
    averaged = np.arange(classes) if rules.all_classes else None
    rows = []
    for number, split in enumerate(parts):
        known = truth.copy()
        if not rules.picks_on_test:
            known[split.test] = -1
        if steps is not None:
            tuned = replace(split, validation=split.test) if rules.picks_on_test else split
            start = Randomness(seed).integer(f"probe {number}")
            decays = rules.decays_of.get(getattr(data, "name", ""), rules.decays)
            predicted, chosen = probes.linear_layer(x, known, tuned, classes, steps, start, decays, rules.picks)
        elif rules.probe == "svc":
            predicted, chosen = probes.svc(x, known, split, rules.grid)
        else:
            solve = probes.fast if solver == "fast" else probes.liblinear
            predicted, chosen = solve(x, known, split, classes, rules.grid, rules.halves)
        wanted = truth[split.test]
        macro_f1 = f1_score(wanted, predicted, average="macro", labels=averaged, zero_division=0)
        rows.append(
            {
                "accuracy": 100 * float((predicted == wanted).mean()),
                "macro_f1": 100 * float(macro_f1),
                "C" if steps is None else "step": chosen,
                "train": split.train.size,
                "validation": 0 if split.validation is None else split.validation.size,
                "test": split.test.size,
                "classes_without_training_node": classes - np.unique(known[split.train]).size,
            }
        )
    per_split = pd.DataFrame(rows).rename_axis("split")
    ddof = 0 if rules.deviation == "population" else 1
    return _measures(per_split, ("accuracy", "macro_f1"), over(rules, data, len(rows)), ddof), per_split
