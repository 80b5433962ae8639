"""`run`: a study from its name or value to the long table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.datasets import load_graph
from workbench.errors import UserError
from workbench.studies import execute, measure, results
from workbench.studies.plan import plan
from workbench.studies.study import Study, load
from workbench.training import store as runs


def run(
    study: str | Study,
    data: Any = None,
    *,
    workers: int | None = 0,
    on: str | None = None,
    deadline: float | None = None,
    store: str | Path | None = None,
    progress: bool = True,
    **changes: Any,
) -> pd.DataFrame:
    """Run a study.

    Each training is a stored run, so the same call goes on where an earlier one was interrupted.

    Args:
        study: a name of `names()`, a TOML file, or a value.
        data: a graph, or several, each a name, a file or an object with a name; None for the study's own.
        workers, on, deadline, store, progress: as for `execute.execute`; by default one training follows the other in
            this process.
        **changes: what is other than in the study: its fields (seeds=2, splits=5, protocol="public"), conditions=[...],
            preset, options of its family (ks=[4, 16]), and parameters of the methods (epochs=50).

    Returns:
        The long table, see `results.table`. Trainings that a deadline ended have a row "finished" of value 0.

    Raises:
        UserError: a mistake in what was asked, or a training that failed, or was interrupted.
    """
    study, names, in_memory = asked(study, data, **changes)
    tasks = plan(study, names, in_memory)
    outcomes = execute.execute(study, tasks, in_memory, store, workers, on, deadline, progress)
    check(outcomes, deadline)
    return collected(study, outcomes, in_memory)


def asked(study: str | Study, data: Any = None, **changes: Any) -> tuple[Study, list[str], dict[str, Any]]:
    """Return the study with its changes, the names of its data, and those data that are in memory."""
    study = load(study, **changes) if isinstance(study, str) else study.changed(**changes)
    several = isinstance(data, Iterable) and not isinstance(data, str) and not hasattr(data, "num_nodes")
    listed: list[Any] = [] if data is None else [*data] if several else [data]
    listed = listed or [*study.data] or sorted({name for condition in study.conditions for name in condition.data})
    names = [item if isinstance(item, str) else str(getattr(item, "name", None) or "graph") for item in listed]
    if not names:
        raise UserError(f"study {study.name!r} has no data of its own; name some, e.g. cora")
    if len(set(names)) < len(names):
        raise UserError(f"two of the data are called {max(names, key=names.count)!r}; each is trained on once")
    return study, names, {name: item for name, item in zip(names, listed, strict=True) if not isinstance(item, str)}


def check(outcomes: Iterable[execute.Outcome], deadline: float | None) -> None:
    """Raise what failed, or what was interrupted without a deadline."""
    for outcome in outcomes:
        if outcome.state == execute.FAILED:
            raise UserError(f"{outcome.task}: {outcome.reason}", kind="training")
        if outcome.state == execute.UNFINISHED and deadline is None:
            raise UserError(f"interrupted in {outcome.task}; the same call goes on from there", kind="interrupted")


def collected(study: Study, outcomes: Iterable[execute.Outcome], in_memory: dict[str, Any]) -> pd.DataFrame:
    """Return the long table of what was executed."""
    rows, trained = list[dict[str, Any]](), dict[tuple[str, str], list[str]]()
    for outcome in outcomes:
        rows += outcome.rows
        if study.lens and outcome.state in (execute.STORED, execute.TRAINED):
            trained.setdefault((outcome.task.condition.name, outcome.task.data), []).append(outcome.folder)
    for (condition, name), folders in trained.items():
        data = in_memory[name] if name in in_memory else load_graph(name)
        rows += measure.through_lens(study, map(runs.load, folders), data, condition)
    return results.table(rows)
