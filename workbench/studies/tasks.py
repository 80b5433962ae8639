"""The tasks of a study: each checked before anything is trained, and measured as rows of the long table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data

from workbench.contrast.negatives import selection
from workbench.datasets import names as graph_names
from workbench.datasets.files import registry
from workbench.datasets.kinds import KINDS, kind_of
from workbench.errors import UserError, unknown
from workbench.evaluation import BASELINES, evaluate, lens, protocols
from workbench.evaluation.baselines import embed
from workbench.evaluation.scores import VERSION
from workbench.evaluation.splits import OWN
from workbench.methods import METHODS, configure
from workbench.methods.presets import count_of
from workbench.studies.results import LENS
from workbench.studies.study import Condition, Study, check_size
from workbench.training.choice import NUMBERS
from workbench.training.run import Run

LARGE = 10_000  # items from which on `Study.large_splits` counts


@dataclass(frozen=True)
class Task:
    """One row of a study: a training, an encoder before training, or a baseline, on one of the data."""

    condition: Condition
    data: str
    seed: int | None = None
    kind: str = "trained"

    def __str__(self) -> str:
        """Name it, e.g. "grace on cora, released/cora, seed 0"."""
        settings = [f"{name}={value}" for name, value in self.condition.overrides]
        seed = "" if self.seed is None else f"seed {self.seed}"
        words = [f"{self.condition.name} on {self.data}", self.condition.preset, *settings, seed]
        return ", ".join(filter(None, words))

    def facts(self, study: Study) -> dict[str, Any]:
        """Return what all its rows of the long table have."""
        plain = {"study": study.name, "condition": self.condition.name, "preset": self.condition.preset}
        return {**plain, "data": self.data, "seed": self.seed, "kind": self.kind}


def named(study: Study, data: Any = None) -> tuple[list[str], dict[str, Any]]:
    """Return the names of what a study is run on, by default its own data, and those data that are in memory."""
    several = isinstance(data, Iterable) and not isinstance(data, str) and not hasattr(data, "num_nodes")
    listed: list[Any] = [] if data is None else [*data] if several else [data]
    listed = listed or [*study.data] or sorted({name for condition in study.conditions for name in condition.data})
    names = [item if isinstance(item, str) else str(getattr(item, "name", None) or "graph") for item in listed]
    if not names:
        raise UserError(f"study {study.name!r} has no data of its own; name some, e.g. cora")
    if len(set(names)) < len(names):
        raise UserError(f"two of the data are called {max(names, key=names.count)!r}; each is trained on once")
    return names, {name: item for name, item in zip(names, listed, strict=True) if not isinstance(item, str)}


def plan(
    study: Study, data: Sequence[str], in_memory: Mapping[str, Any] | None = None, left_out: list[str] | None = None
) -> list[Task]:
    """Return the tasks of a study, each checked before anything is trained.

    Args:
        data: names or files. in_memory: those of them that are loaded.
        left_out: a list that takes why a condition without a preset for the data is left out; None refuses such a one.

    Raises:
        UserError: unknown data, a parameter that doesn't fit, or more than `study.MOST` trainings.
    """
    in_memory, tasks = in_memory or {}, []
    pairs = sum(name in (condition.data or [name]) for name in data for condition in study.conditions)
    made_of = f"{len(study.conditions):,} conditions on {len(data):,} data with {len(study.seeds):,} seeds"
    check_size(study.name, pairs * len(study.seeds), made_of)
    for protocol in study.protocols:
        if protocols.get(protocol).snapshots and not study.snapshots:
            raise UserError(
                f"protocol {protocol!r} looks at the embeddings that a training keeps on the way, and study "
                f"{study.name!r} keeps none; snapshots=11 keeps eleven"
            )
    for baseline in study.baselines:
        BASELINES.get(baseline)
    for name in data:
        word = name.partition(":")[0]
        if not (name in in_memory or word in graph_names() or Path(name).suffix or Path(name).expanduser().exists()):
            raise unknown("graph", name, graph_names())
        row = registry.rows().get(word, {})
        kind = kind_of(in_memory[name]) if name in in_memory else KINDS.get(registry.kind_of_row(row))()
        known: list[Condition] = []
        for condition in study.conditions:
            try:
                known += (
                    [_checked(condition, name, in_memory.get(name), study.supervised)]
                    if name in (condition.data or [name])
                    else []
                )
            except UserError as error:
                if left_out is None or error.fields.get("kind") != "preset":
                    raise
                left_out.append(str(error).split(";")[0])
        scored = bool(study.protocols) and not study.lens
        if scored and study.baselines and known:
            fitting = {*kind.baselines, *kind.on_request}
            of_kind = [baseline for baseline in study.baselines if baseline in fitting] or kind.baselines
            tasks += [Task(Condition(baseline, "", ""), name, kind="baseline") for baseline in of_kind]
        first: dict[str, Condition] = {}
        for condition in known:
            first.setdefault(condition.method, condition)
        for seed in study.seeds:
            if scored and study.untrained:
                for condition in first.values():
                    overrides = {**dict(condition.overrides), "epochs": 0}
                    start = replace(condition, name=f"untrained {condition.method}", overrides=tuple(overrides.items()))
                    tasks.append(Task(start, name, seed, "untrained"))
            tasks += [Task(condition, name, seed) for condition in known]
    return tasks


def _checked(condition: Condition, name: str, data: Any, supervised: bool) -> Condition:
    """Return a condition with the full name of its preset: one name, hence one lock, for one training."""
    path = Path(name).expanduser()
    graph = path.name if path.is_dir() else path.stem if path.suffix else name  # as it is called once it is loaded
    preset, config = configure(condition.method, condition.preset, graph, dict(condition.overrides))
    if config.epochs < 1:
        raise UserError("a training of 0 epochs learns nothing; epochs must be at least 1", parameter="epochs")
    if METHODS.get(condition.method).supervised(config) and not supervised:
        raise UserError(
            f"condition {condition.name!r} learns from labels, and a study that is not `supervised` compares what "
            "learns without them"
        )
    if data is not None:
        _check_negatives(condition.method, config, data)
    return replace(condition, preset=preset)


def _check_negatives(method: str, config: Any, data: Data) -> None:
    """Choose negatives for one anchor as configured, so that what doesn't fit the data is refused at once."""
    sampler = getattr(config, "negatives", None)
    if sampler is not None and sampler.name != "all":
        context, k = selection.context_of(data, anchors=0), int(getattr(config, count_of(method)))
        if k >= (nodes := context.size):
            raise UserError(f"k={k} negatives were asked for; a graph of {nodes} nodes gives 1 to {nodes - 1}")
        selection.choose(context, sampler.name, k, **dict(sampler.options))


def measured(task: Task, study: Study, run: Run, data: Data, asked: int) -> list[dict[str, Any]]:
    """Return what a training came to: its scores where it is complete, whether it is, and what its negatives were."""
    costs = {"seconds": run.seconds, "peak_mib": run.peak_mib, "epochs": run.epochs, "device": run.device}
    facts = {**task.facts(study), **costs}
    if task.kind != "trained":
        return [*_scores(run, study, data, facts), *_scores(run, study, data, facts, more=True)]
    figures = {"finished": float(run.complete), "asked_epochs": float(asked)}
    if run.complete and run.epochs > 1:
        figures["ms_an_epoch"] = 1000 * float(run.history["seconds"].diff().median())
    if run.complete and run.contrast is not None and len(run.projections):
        figures["negatives"] = _listed(run)
    scored: list[dict[str, Any]] = []
    if run.complete and study.snapshots:
        for epoch, embeddings in run.snapshots.items():
            seconds = float(run.history["seconds"].loc[epoch]) if epoch else 0.0
            then = {**facts, "epochs": epoch, "seconds": seconds}
            scored += _scores(embeddings.float(), study, data, then)
            numbers = run.watched.loc[epoch, run.watched.columns.intersection(NUMBERS)].dropna()
            scored += [{**then, "metric": name, "value": float(value)} for name, value in numbers.items()]
        scored += _scores(run, study, data, facts, more=True)
    elif run.complete and not study.lens:
        scored = [*_scores(run, study, data, facts), *_scores(run, study, data, facts, more=True)]
    return [*scored, *({**facts, "metric": name, "value": value} for name, value in figures.items())]


def baseline(task: Task, study: Study, data: Data, store: Path) -> list[dict[str, Any]]:
    """Return the scores of what needs no training, which a store keeps; arguments as for `measured`."""
    return _scores(embed(task.condition.name, data, store), study, data, task.facts(study))


def through_lens(study: Study, runs: Iterable[Run], data: Data, condition: str) -> list[dict[str, Any]]:
    """Return the scores of runs that differ in the seed, taken together, by every protocol: rows without a seed."""
    scores = lens([*runs], data, list(study.protocols) or None, splits=study.splits, progress=False)
    numbers = scores.rename(columns=LENS).melt(["protocol", "normalised"], list(LENS.values()), "metric")
    facts = {"study": study.name, "condition": condition, "kind": "trained", "data": str(data.name), "scoring": VERSION}
    return [{**facts, **row} for row in numbers.astype({"value": float}).to_dict("records")]


def _scores(scored: Any, study: Study, data: Data, facts: dict[str, Any], more: bool = False) -> list[dict[str, Any]]:
    """Return the scores by the protocols that look at one embedding, or by those that look at more of a run."""
    items = sum(kind_of(data).sizes(data).values())
    splits = study.large_splits if study.large_splits and items >= LARGE else study.splits
    rows = []
    for protocol in _allowed(study, data):
        rules = protocols.get(protocol)
        if rules.of_runs != more or (rules.probe in ("learned", *OWN) and facts["kind"] != "trained"):
            continue
        solver = study.solver if study.solver in rules.solvers else None
        scores = evaluate(scored, data, protocol, splits=splits, solver=solver, progress=False)
        metrics = [name for name in scores.measures if name in scores.per_split]
        kept = {"protocol": protocol, "scoring": VERSION}
        if study.means:
            means = {name: float(scores.measures[name]) for name in metrics}
            means |= {f"{name}_std": scores.measures[name].std for name in metrics[:1]}
            rows += [{**facts, **kept, "metric": name, "value": value} for name, value in means.items()]
            continue
        long = scores.per_split.rename_axis("split").reset_index().melt("split", metrics, "metric")
        rows += [{**facts, **kept, **row} for row in long.to_dict("records")]
    return rows


def _allowed(study: Study, data: Any) -> list[str]:
    """Return the protocols of a study that data allow; raise the first one's error where they allow none.

    Where none is for data of this kind, it is the kind's own.
    """
    kind = kind_of(data)
    of_kind = [name for name in study.protocols if kind.name in protocols.get(name).kinds] or [kind.protocol]
    refusals = {name: protocols.get(name).refusal(data) for name in of_kind if study.protocols}
    if refusals and all(refusals.values()):
        raise next(refusal for refusal in refusals.values() if refusal)
    return [name for name, refusal in refusals.items() if refusal is None]


def _listed(run: Run) -> float:
    """Return how many nodes an anchor lists as negatives, on average."""
    assert run.contrast is not None
    listed, anchors = run.contrast.candidates, len(run.projections[0])
    if listed is None or listed.dim() == 1:
        return float(anchors - 1 if listed is None else len(listed))
    return float((listed != torch.arange(anchors)[:, None]).sum() / anchors)
