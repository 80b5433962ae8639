"""The plan of a study: its tasks, each checked before anything is trained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.datasets import names as graph_names
from workbench.datasets.files.registry import kind_of_row, rows
from workbench.datasets.kinds import KINDS, Kind, kind_of
from workbench.errors import UserError, unknown
from workbench.evaluation import BASELINES, protocols
from workbench.methods import configure
from workbench.studies import measure
from workbench.studies.study import Condition, Study


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
        facts = {"study": study.name, "condition": self.condition.name, "kind": self.kind, "data": self.data}
        return {**facts, "seed": self.seed, "preset": self.condition.preset}


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
        study: what to train and to score. data: names or files. in_memory: those of them that are loaded.
        left_out: a list that takes why a condition without a preset for the data is left out; None refuses such a one.

    Raises:
        UserError: unknown data, or a parameter that doesn't fit.
    """
    in_memory, tasks = in_memory or {}, []
    for protocol in study.protocols:
        protocols.get(protocol)
    for baseline in study.baselines:
        BASELINES.get(baseline)
    for name in data:
        is_file = bool(Path(name).suffix) or Path(name).exists()
        if name not in in_memory and not is_file and name.partition(":")[0] not in graph_names():
            raise unknown("graph", name, graph_names())
        row = rows().get(name.partition(":")[0], {})
        kind = kind_of(in_memory[name]) if name in in_memory else KINDS.get(kind_of_row(row))()
        known: list[Condition] = []
        for condition in study.conditions:
            try:
                known += [_checked(condition, name, in_memory.get(name))] if name in (condition.data or [name]) else []
            except UserError as error:
                if left_out is None or error.fields.get("kind") != "preset":
                    raise
                left_out.append(str(error).split(";")[0])
        scored = bool(study.protocols) and not study.lens
        if scored and known:
            tasks += [Task(Condition(baseline, "", ""), name, kind="baseline") for baseline in _baselines(study, kind)]
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


def _baselines(study: Study, kind: Kind) -> Sequence[str]:
    """Return the study's baselines that are of a kind of data, or that kind's own where none is."""
    return [name for name in study.baselines if name in kind.baselines] or (kind.baselines if study.baselines else ())


def _checked(condition: Condition, name: str, data: Any) -> Condition:
    """Return a condition with the full name of its preset: one name, hence one lock, for one training."""
    graph = Path(name).stem if Path(name).suffix else name
    preset, config = configure(condition.method, condition.preset, graph, dict(condition.overrides))
    if config.epochs < 1:
        raise UserError("a training of 0 epochs learns nothing; epochs must be at least 1", parameter="epochs")
    if data is not None:
        measure.check_negatives(config, data)
    return replace(condition, preset=preset)
