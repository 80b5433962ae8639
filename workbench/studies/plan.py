"""The plan of a study: its tasks, each checked before anything is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.datasets import names as graph_names
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
        place = f"{self.condition.name} on {self.data}"
        seed = [] if self.seed is None else [f"seed {self.seed}"]
        return ", ".join([place, *filter(None, [self.condition.preset]), *settings, *seed])

    def facts(self, study: Study) -> dict[str, Any]:
        """Return what all its rows of the long table have."""
        return {"study": study.name, "condition": self.condition.name, "kind": self.kind, "data": self.data,
                "seed": self.seed, "preset": self.condition.preset}  # fmt: skip


def plan(
    study: Study, data: Sequence[str], given: Mapping[str, Any] | None = None, left_out: list[str] | None = None
) -> list[Task]:
    """Return the tasks of a study, each checked before anything is trained.

    Args:
        study: what to train and to score.
        data: names or files. given: those of them that are in memory.
        left_out: where given, a condition without such a preset for the data is left out, and the sentence that says so
            is added to it.

    Raises:
        UserError: unknown data, or a parameter that doesn't fit; without `left_out` also a preset that isn't there.
    """
    given, tasks = given or {}, []
    for protocol in study.protocols:
        protocols.get(protocol)
    for baseline in study.baselines:
        BASELINES.get(baseline)
    for name in data:
        is_file = bool(Path(name).suffix) or Path(name).exists()
        if name not in given and not is_file and name.partition(":")[0] not in graph_names():
            raise unknown("graph", name, graph_names())
        known: list[Condition] = []
        for condition in study.conditions:
            try:
                known += [_checked(condition, name, given.get(name))] if name in (condition.data or [name]) else []
            except UserError as error:
                if left_out is None or error.fields.get("kind") != "preset":
                    raise
                left_out.append(str(error).split(";")[0])
        scored = bool(study.protocols) and not study.lens
        if scored and known:
            tasks += [Task(Condition(one, "", ""), name, kind="baseline") for one in study.baselines]
        first = {condition.method: condition for condition in reversed(known)}
        for seed in study.seeds:
            if scored and study.untrained:
                starts = [_untrained(first[method]) for method in dict.fromkeys(one.method for one in known)]
                tasks += [Task(start, name, seed, "untrained") for start in starts]
            tasks += [Task(condition, name, seed) for condition in known]
    return tasks


def _checked(condition: Condition, name: str, data: Any) -> Condition:
    """Return a condition with the full name of its preset: one name, hence one lock, for one training."""
    graph = Path(name).stem if Path(name).suffix else name
    preset, config = configure(condition.method, condition.preset, graph, dict(condition.overrides))
    if config.epochs < 1:
        raise UserError("a training of 0 epochs learns nothing; epochs must be at least 1", parameter="epochs")
    if data is not None:
        measure.check_negatives(config, data)
    return replace(condition, preset=preset)


def _untrained(condition: Condition) -> Condition:
    overrides = {**dict(condition.overrides), "epochs": 0}
    return replace(condition, name=f"untrained {condition.method}", overrides=tuple(overrides.items()))
