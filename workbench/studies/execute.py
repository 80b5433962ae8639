"""Studies are run: many trainings and their scores, here, on cores or on a cluster, whatever happens to a worker."""

import math
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch
from tqdm.auto import tqdm

from workbench.errors import UserError, warn
from workbench.studies import backends, results, worker
from workbench.studies.study import Study, load
from workbench.studies.tasks import Task, named, plan, through_lens
from workbench.studies.worker import FAILED, STORED, TRAINED, UNFINISHED, Named, Outcome
from workbench.training import fit as fitting
from workbench.training import store as runs

SHARED = "a store that all workers see keeps runs together"


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
        workers, on, deadline, store, progress: as for `execute`; by default one training follows the other in this
            process.
        **changes: what is other than in the study: its fields (seeds=2, splits=5, protocol="public"), conditions=[...],
            preset, options of its family (ks=[4, 16]), and parameters of the methods (epochs=50).

    Returns:
        The long table, see `results.table`. Trainings that a deadline ended have a row "finished" of value 0.

    Raises:
        UserError: a mistake in what was asked, or a training that failed, or was interrupted.
    """
    study = load(study, **changes) if isinstance(study, str) else study.changed(**changes)
    where: Named = {"store": store, "workers": workers, "on": on, "deadline": deadline, "progress": progress}
    return conduct(study, data, strict=True, **where)[1]


def conduct(
    study: Study, data: Any, strict: bool, left_out: list[str] | None = None, **where: Any
) -> tuple[list[Outcome], pd.DataFrame]:
    """Return what became of each training of a study, and the long table.

    Args:
        study, data: as for `run`. left_out: as for `plan`. **where: as for `execute`.
        strict: raise what failed, or what was interrupted without a deadline.
    """
    names, in_memory = named(study, data)
    outcomes = execute(study, plan(study, names, in_memory, left_out), in_memory, **where)
    rows, trained = list[dict[str, Any]](), dict[tuple[str, str], list[str]]()
    for outcome in outcomes:
        if strict and outcome.state == FAILED:
            raise UserError(f"{outcome.task}: {outcome.reason}", kind="training")
        if strict and outcome.state == UNFINISHED and where.get("deadline") is None:
            raise UserError(f"interrupted in {outcome.task}; the same call goes on from there", kind="interrupted")
        rows += outcome.rows
        if study.lens and outcome.state in (STORED, TRAINED):
            trained.setdefault((outcome.task.condition.name, outcome.task.data), []).append(outcome.folder)
    if away := [folder for folders in trained.values() for folder in folders if not Path(folder).is_dir()]:
        raise UserError(f"study {study.name!r} scores runs together, and {away[0]} is not here: {SHARED}")
    for (condition, name), folders in trained.items():
        scored = in_memory[name] if name in in_memory else worker.loaded(name)
        rows += through_lens(study, map(runs.load, folders), scored, condition)
    return outcomes, results.table(rows)


def execute(
    study: Study,
    tasks: Iterable[Task],
    in_memory: Named | None = None,
    store: str | Path | None = None,
    workers: int | None = None,
    on: str | None = None,
    deadline: float | None = None,
    progress: bool = True,
) -> list[Outcome]:
    """Train the tasks of a study, or load what is stored of them, and score each.

    The same call goes on where an earlier one was interrupted: it loses at most what was trained since the last
    checkpoint, which is written each minute. Several calls may share a store at once.

    Args:
        study: how to score. tasks: what to train, see `plan`. in_memory: data that have no file, by name.
        store: folder of runs. On a cluster it is one that all workers see; else each keeps its runs in the folder of
            that path on its own disk, and the rows alone come back.
        workers: processes here; None for one a physical core, 0 for this process, which ends at the first failure. Each
            has an equal share of the threads that torch has here, whose number decides a run's bits: as many as cores,
            unless OMP_NUM_THREADS or `torch.set_num_threads` says otherwise.
        on: address of a Dask scheduler, on whose workers to train, or "slurm", which makes each task a job, with
            submitit's settings of jobs behind it, e.g. "slurm slurm_partition=gpu timeout_min=60 mem_gb=8" ("local"
            makes processes here instead, all at once, to try it); None for this machine. A graph by name or file is
            loaded where it is trained on, one in memory is sent there.
        deadline: seconds from now after which no training begins, and those under way end after their epoch, with a
            checkpoint.
        progress: show a bar with the time left.

    Returns:
        What became of each task, in their order. What fails doesn't take the others with it.
    """
    workers = (psutil.cpu_count(logical=False) or 1) if workers is None else workers
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise UserError(f"workers must be a whole number from 1, or 0 for this process, not {workers!r}")
    folder = runs.root(store).resolve()
    fitting.open_store(folder)
    until = time.time() + (math.inf if deadline is None else deadline)
    threads = None if on or not workers else max(1, torch.get_num_threads() // workers)
    shared = {"study": study, "store": folder, "until": until, "threads": threads, "in_memory": in_memory or {}}
    tasks = list(dict.fromkeys(tasks))
    outcomes, away = dict[Task, Outcome](), 0
    with tqdm(total=len(tasks), desc=study.name, unit="run", disable=not progress) as bar:
        for outcome in backends.outcomes(tasks, workers, on, shared):
            outcomes[outcome.task] = outcome
            if outcome.state == FAILED and outcome.host != socket.gethostname():
                outcome.reason = f"on {outcome.host}: {outcome.reason}"
            if outcome.folder and not Path(outcome.folder).is_dir():
                outcome.folder = f"{outcome.host}:{outcome.folder}"
                away += 1
            bar.set_postfix_str(f"{outcome.task}: {outcome.state}")
            bar.update()
    if away:
        warn(f"{away} runs lie on the machines that trained them, only their rows came here: {SHARED}")
    return [outcomes[task] for task in tasks if task in outcomes]


def table(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Return one row per training: condition, method, data, preset, seed, and the fields of `Outcome`."""
    rows = []
    for outcome in outcomes:
        task, condition = outcome.task, outcome.task.condition
        if task.kind == "trained" or outcome.state == FAILED:
            names = {"condition": condition.name, "method": condition.method, "data": task.data}
            facts = {name: value for name, value in vars(outcome).items() if name not in ("task", "rows", "host")}
            rows.append({**names, "preset": condition.preset, "seed": task.seed, **facts})
    return pd.DataFrame(rows).astype({"seed": "Int64", "epochs": "Int64", "asked": "Int64"}) if rows else pd.DataFrame()
