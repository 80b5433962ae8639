"""The executor: what is planned, and that nothing is lost or broken when processes are killed."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import psutil
import pytest
import torch
from hosts import hosts

import workbench as wb
from workbench.cli import main
from workbench.errors import UserError
from workbench.studies import backends, execute, results, worker
from workbench.studies.study import Condition, Study, sweep
from workbench.studies.tasks import Task, plan
from workbench.studies.worker import Outcome
from workbench.training import store as runs

EPOCHS = 250  # a second or so on the karate club, more than a checkpoint needs


def until(condition: Callable[[], object], seconds: float = 180.0) -> Any:
    """Wait for a condition and return what it gave, or fail."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def training(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes below one that train: those that hold a lock."""
    found = []
    for child in process.children(recursive=True):
        try:
            if any(file.path.endswith(".lock") for file in child.open_files()):
                found.append(child)
        except psutil.Error:  # it has ended meanwhile
            continue
    return found


def command(store: Path, seeds: int, *more: str) -> list[str]:
    words = ["sweep", "grace", "--graphs", "karate", "--preset", "defaults", "--seeds", str(seeds), "--json"]
    return [sys.executable, "-m", "workbench", *words, "-p", f"epochs={EPOCHS}", "-p", "dim=8", *more]


@contextmanager
def started(store: Path, seeds: int, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep in processes of its own, all of which are gone afterwards."""
    environment = {**os.environ, "WORKBENCH_RUNS": str(store), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command(store, seeds, *more), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        for one in [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []:
            one.kill()
        process.kill()
        process.wait()


def rows_of(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, told = process.communicate(timeout=180)
    assert process.returncode == 0, told[-2000:]
    return json.loads(out)


def whole(store: Path, seeds: int) -> None:
    """Check that the store holds exactly the runs of some seeds, with the bits of a plain training."""
    table = runs.table(store)
    assert sorted(table["seed"]) == list(range(seeds)) and not list(store.glob(".*.lock"))
    last = runs.load(table[table["seed"] == seeds - 1]["folder"].iloc[0])
    plain = wb.fit("grace", wb.load_graph("karate"), "defaults", seeds - 1, store=store.with_name("plain"),
                   progress=False, epochs=EPOCHS, dim=8)  # fmt: skip
    assert torch.equal(last.embeddings, plain.embeddings) and last.epochs == EPOCHS


def planned(seeds: Any, **settings: int) -> tuple[Any, list[Task]]:
    """A study that trains grace on the karate club, and its tasks."""
    study = sweep(["grace"], ["defaults"], seeds, **settings)
    return study, plan(study, ["karate"])


def test_a_sweep_that_is_killed_goes_on_where_it_was_and_a_killed_worker_takes_nothing_with_it(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with started(store, 4, "--workers", "2") as process:
        until(lambda: len(runs.table(store)) >= 1 and training(psutil.Process(process.pid)))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = {path: (path / "run.json").stat().st_mtime_ns for path in map(Path, runs.table(store)["folder"])}
    assert before and "(damaged)" not in set(runs.table(store)["method"])
    with started(store, 4, "--workers", "2") as process:
        until(lambda: training(psutil.Process(process.pid)))[0].kill()
        states = [row["state"] for row in rows_of(process)]
    assert states.count("stored") >= len(before) and set(states) <= {"stored", "trained"}
    assert all((path / "run.json").stat().st_mtime_ns == at for path, at in before.items()), "trained a second time"
    whole(store, 4)


def test_two_sweeps_at_once_share_a_store(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with started(store, 3, "--workers", "1") as first, started(store, 3, "--workers", "1") as second:
        states = [[row["state"] for row in rows_of(process)] for process in (first, second)]
    assert all(sorted(pair) == ["stored", "trained"] for pair in zip(*states, strict=True)), "each is trained once"
    whole(store, 3)


def test_an_interrupted_sweep_says_so_and_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with started(store, 2, "--workers", "1") as process:
        until(lambda: training(psutil.Process(process.pid)))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=180)
    assert process.returncode == 130 and "the same command goes on" in told
    study, asked = planned(2, epochs=EPOCHS, dim=8)
    ended = execute.execute(study, asked, store=store, workers=0, progress=False)
    assert {outcome.state for outcome in ended} <= {"stored", "trained"}
    whole(store, 2)


def test_a_worker_that_is_killed_each_time_is_given_up(tmp_path: Path) -> None:
    with started(tmp_path / "store", 1, "--workers", "1") as process:
        for _ in range(backends.ATTEMPTS):
            victim = until(lambda: training(psutil.Process(process.pid)))[0]
            victim.kill()
            until(lambda victim=victim: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE)
        out, _ = process.communicate(timeout=180)
    assert process.returncode == 1
    (row,) = json.loads(out)
    assert (row["state"], row["reason"]) == ("failed", "its worker was killed 3 times, perhaps for want of memory")


def test_a_cluster_does_the_same_and_stands_the_loss_of_a_worker(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    study, asked = planned(3, epochs=EPOCHS, dim=8)
    found: list[list[Outcome]] = []
    settings = {"threads_per_worker": 1, "dashboard_address": None, "local_directory": str(tmp_path)}
    # Dask leaves words to malloc and to BLAS in the environment, by which later tests would train otherwise.
    with mock.patch.dict(os.environ), distributed.LocalCluster(n_workers=2, host="127.0.0.1", **settings) as cluster:
        address = cluster.scheduler_address
        thread = threading.Thread(
            target=lambda: found.append(
                execute.execute(study, asked, store=tmp_path / "store", on=address, progress=False)
            )
        )
        thread.start()
        until(lambda: training(psutil.Process()))[0].kill()
        thread.join(180)
    assert [outcome.state for outcome in found[0]] == ["trained"] * 3
    assert [outcome.task.seed for outcome in found[0]] == [0, 1, 2] and len(runs.table(tmp_path / "store")) == 3


STUDY = """
import sys
from workbench.studies import execute
from workbench.studies.study import Condition, Study
from workbench.datasets import planted

def study():
    overrides = (("epochs", 400), ("dim", 8))
    return Study("two hosts", conditions=(Condition("grace", "grace", "defaults", overrides),), seeds=(0, 1), splits=2,
                 untrained=False)

def data():
    mine = planted(nodes=120, seed=5)
    mine.name = "mine"
    return ["planted:100", mine]  # one by name, and one that lies in no file

if __name__ == "__main__":
    outcomes, rows = execute.conduct(study(), data(), False, store=sys.argv[2], on=sys.argv[1], progress=False)
    execute.table(outcomes).to_csv(sys.argv[3])
    rows.to_csv(sys.argv[4])
"""


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a long table in one order, without what a busy machine changes."""
    rows = rows[rows["metric"] != "ms_an_epoch"].drop(columns=["seconds", "peak_mib"])
    return rows.sort_values(["data", "condition", "seed", "metric", "split"], ignore_index=True)


def test_a_study_on_two_hosts_brings_its_rows_home_and_stands_the_loss_of_one(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    store, script = tmp_path / "store", tmp_path / "two_hosts.py"
    store.mkdir()
    script.write_text(STUDY)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s"}
    quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    worker_of = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with hosts(store) as (home, first, second), ExitStack() as stack:
        port = ["--host", "0.0.0.0", "--port", "8786", "--no-dashboard"]
        started = [home.start(sys.executable, "-m", "distributed.cli.dask_scheduler", *port, **quiet)]
        for host in (first, second):
            started.append(host.start(*worker_of, f"tcp://{host.home}:8786", "--death-timeout", "120", **quiet))
        words = [sys.executable, str(script), "tcp://127.0.0.1:8786", str(store), "outcomes.csv", "rows.csv"]
        study = home.start(*words, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        for process in (*started, study):
            stack.callback(process.wait)
            stack.callback(process.kill)
        until(lambda: [*first.seen(store).glob(".*.lock")] or study.poll() is not None)
        started[1].kill()
        _, told = study.communicate(timeout=300)
        assert study.returncode == 0, told[-2000:]
        outcomes = pd.read_csv(tmp_path / "outcomes.csv")
        assert list(outcomes["state"]) == ["trained"] * 4
        for folder in outcomes["folder"]:
            host, _, path = folder.partition(":")
            assert (Path({"host1": first, "host2": second}[host].seen(Path(path))) / "run.json").exists()
        assert any(outcomes["folder"].str.startswith("host2:")) and not [*store.glob("*/run.json")]
    assert "4 runs lie on the machines that trained them, only their rows came here" in told
    names: dict[str, Any] = {}
    exec(STUDY, names)
    plain = execute.conduct(
        names["study"](), names["data"](), True, store=tmp_path / "plain", workers=0, progress=False
    )
    plain[1].to_csv(tmp_path / "plain.csv")
    tables = [results.read(str(tmp_path / file)) for file in ("rows.csv", "plain.csv")]
    pd.testing.assert_frame_equal(*map(comparable, tables))


def test_runs_that_stay_on_other_machines_are_told_and_cant_be_scored_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(tasks: list[Task], *_: object) -> Iterator[Outcome]:
        yield from (Outcome(task, "trained", folder="/elsewhere/run", host="far") for task in tasks if task.seed)
        yield from (Outcome(task, "failed", "no such file", host="far") for task in tasks if not task.seed)

    monkeypatch.setattr(backends, "outcomes", elsewhere)
    study, asked = planned(3, epochs=1)
    with pytest.warns(UserWarning, match="2 runs lie on the machines that trained them"):
        failed, *trained = execute.execute(study, asked, store=tmp_path, progress=False)
    assert failed.reason == "on far: no such file" and trained[0].folder == "far:/elsewhere/run"
    together = Study("together", conditions=study.conditions, lens=True)
    with pytest.warns(UserWarning), pytest.raises(UserError, match="scores runs together, and far:/elsewhere/run"):
        execute.conduct(together, ["karate"], False, store=tmp_path, progress=False)


def test_trainings_in_threads_of_one_process_take_turns(tmp_path: Path) -> None:
    """Those of GraphMAE drop attributes by torch's global generator."""
    study = sweep(["graphmae"], ["small"], 2, epochs=15)
    with ThreadPoolExecutor(2) as threads:
        asked = plan(study, ["karate"])
        both = [*threads.map(lambda task: worker.work(task, study, tmp_path, math.inf, 1, {}), asked)]
    for seed, outcome in enumerate(both):
        plain = wb.fit("graphmae", wb.load_graph("karate"), "small", seed, store=tmp_path / "plain", progress=False,
                       epochs=15)  # fmt: skip
        assert torch.equal(runs.load(outcome.folder).embeddings, plain.embeddings)


def test_jobs_give_the_same_rows_and_stand_a_kill_and_the_end_of_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By submitit's local executor, which treats jobs as that of Slurm does."""
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr(submitit.core.core.Job, "_results_timeout_s", 1)  # it waits for a file that will not come
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    study, asked = planned(2, epochs=2 * EPOCHS, dim=8)
    found: list[list[Outcome]] = []
    store = tmp_path / "store"
    on = "local timeout_min=5"
    thread = threading.Thread(
        target=lambda: found.append(execute.execute(study, asked, store=store, on=on, progress=False))
    )
    thread.start()
    killed = until(lambda: training(psutil.Process()))[0]
    killed.kill()
    others = until(lambda: [process for process in training(psutil.Process()) if process != killed])
    others[0].send_signal(signal.SIGUSR2)  # as Slurm does before the time of a job is up
    thread.join(300)
    assert [(outcome.state, outcome.task.seed) for outcome in found[0]] == [("trained", 0), ("trained", 1)]
    assert not [*store.glob(".jobs-*")] and not [*store.glob(".*.lock")]
    plain = execute.execute(study, asked, store=tmp_path / "plain", workers=0, progress=False)
    tables = [results.table(row for outcome in outcomes for row in outcome.rows) for outcomes in (found[0], plain)]
    pd.testing.assert_frame_equal(*map(comparable, tables))
    assert torch.equal(*(runs.load(outcomes[0].folder).embeddings for outcomes in (found[0], plain)))


@pytest.mark.parametrize(
    ("on", "told"),
    [
        ("slurm slurm_partition=gpu", "no job can be submitted to 'slurm slurm_partition=gpu': Could not detect"),
        ("local timeout_min=soon", "expected type"),
        ("local slurm_partitoin=gpu", "Unknown argument 'partitoin'"),
    ],
)
def test_jobs_that_cant_be_submitted_are_told(on: str, told: str, tmp_path: Path) -> None:
    if shutil.which("srun"):
        pytest.skip("this machine has Slurm")
    study, asked = planned(1, epochs=1)
    with pytest.raises(UserError, match=told):
        execute.execute(study, asked, store=tmp_path, on=on, progress=False)
    assert not [*tmp_path.iterdir()]


def test_slurm_is_asked_for_an_array_of_jobs_and_its_refusal_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    commands, asked_for = tmp_path / "bin", tmp_path / "asked"
    commands.mkdir()
    for name, script in (("srun", ""), ("sbatch", f'cp "$1" {asked_for}; echo "invalid partition: gpu" >&2; exit 1')):
        (commands / name).write_text(f"#!/bin/sh\n{script}\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    study, asked = planned(3, epochs=1)
    with pytest.raises(
        UserError, match="can be submitted to 'slurm slurm_partition=gpu mem_gb=8': invalid partition: gpu"
    ):
        execute.execute(study, asked, store=tmp_path, on="slurm slurm_partition=gpu mem_gb=8", progress=False)
    lines = asked_for.read_text().splitlines()
    wanted = ("array=0-2%3", "partition=gpu", "mem=8GB", f"time={backends.DAY}")
    assert {f"#SBATCH --{option}" for option in wanted} <= {*lines} and not [*tmp_path.glob(".jobs-*")]


@pytest.mark.filterwarnings("ignore:No submission happened:RuntimeWarning")
def test_a_job_that_waits_until_the_deadline_is_withdrawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submitit = pytest.importorskip("submitit")
    withdrawn = []

    class Waiting:
        state = "PENDING"

        def done(self) -> bool:
            return False

        def cancel(self, check: bool) -> None:
            withdrawn.append(self)

    monkeypatch.setattr(submitit.AutoExecutor, "submit", lambda *_, **__: Waiting())
    study, asked = planned(2, epochs=1)
    ended = execute.execute(study, asked, store=tmp_path, on="local", deadline=0.1, progress=False)
    assert [outcome.reason for outcome in ended] == ["not begun before the deadline"] * 2 and len(withdrawn) == 2


def test_no_cluster_no_workers(tmp_path: Path) -> None:
    study, asked = planned(1, epochs=1)
    with pytest.raises(UserError, match="no Dask scheduler answers at 'nowhere'"):
        execute.execute(study, asked, store=tmp_path, on="nowhere", progress=False)
    with pytest.raises(UserError, match="whole number from 1, or 0 for this process, not -1"):
        execute.execute(study, asked, store=tmp_path, workers=-1, progress=False)


@pytest.mark.parametrize(
    ("library", "on", "extra"), [("distributed", "nowhere", "cluster"), ("submitit", "slurm", "slurm")]
)
def test_without_the_library_of_a_cluster_the_message_says_what_to_install(
    library: str, on: str, extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    study, asked = planned(1, epochs=1)
    with pytest.raises(UserError, match=rf"pip install 'graph-contrast-workbench\[{extra}\]'"):
        execute.execute(study, asked, store=tmp_path, on=on, progress=False)


def test_after_the_deadline_a_training_ends_and_goes_on_another_time(tmp_path: Path) -> None:
    study, (task,) = planned([3], epochs=1000, dim=8)
    store = tmp_path / "store"
    store.mkdir()
    outcome = worker.work(task, study, store, time.time() + 0.5, 1, {})
    assert (outcome.state, outcome.asked, outcome.reason) == ("unfinished", 1000, "the deadline came")
    assert outcome.epochs is not None and 0 < outcome.epochs < 1000
    facts = {row["metric"]: row["value"] for row in outcome.rows}
    assert facts == {"finished": 0, "asked_epochs": 1000}
    assert len(list(store.glob(".*.checkpoint"))) == 1
    late = worker.work(task, study, store, time.time() - 1, 1, {})
    assert (late.state, late.reason) == ("unfinished", "not begun before the deadline")
    outcome = worker.work(task, study, store, math.inf, 1, {})
    assert outcome.state == "trained" and worker.work(task, study, store, math.inf, 1, {}).state == "stored"
    plain = wb.fit("grace", wb.load_graph("karate"), "defaults", 3, store=tmp_path / "plain", progress=False,
                   epochs=1000, dim=8)  # fmt: skip
    assert torch.equal(runs.load(outcome.folder).embeddings, plain.embeddings)


def test_what_another_process_trains_is_waited_for(tmp_path: Path) -> None:
    study, (task,) = planned(1, dim=8, epochs=1)
    with worker.lock_of(task, tmp_path):
        assert worker.work(task, study, tmp_path, math.inf, 1, {}).state == "busy"
        late = worker.work(task, study, tmp_path, time.time() + 0.2, 1, {}, wait=True)
        assert (late.state, late.reason) == ("unfinished", "another process still trains it")
    assert worker.work(task, study, tmp_path, math.inf, 1, {}, wait=True).state == "trained"


def test_what_fails_is_told_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def task(graph: str, **overrides: float) -> Task:
        return Task(Condition("grace", "grace", "defaults", tuple(overrides.items())), graph, 0)

    study, asked = sweep(["grace"], ["defaults"], 1), [
        task("karate", dim=8, epochs=2), task("nowhere"), task("karate", epochs=9, lr=1e30)
    ]  # fmt: skip
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)  # what OMP_NUM_THREADS=4 comes to
    outcomes = execute.execute(study, [*asked, asked[0]], store=tmp_path, workers=2, progress=False)
    assert [outcome.state for outcome in outcomes] == ["trained", "failed", "failed"]
    assert outcomes[1].reason.startswith("unknown graph 'nowhere'") and "the loss became" in outcomes[2].reason
    assert outcomes[0].device == "cpu (2 threads)"
    (again,) = execute.execute(study, asked[:1], store=tmp_path, workers=1, progress=False)
    assert again.state == "stored"
    here = execute.execute(study, asked[::-1], store=tmp_path, workers=0, progress=False)
    assert [outcome.state for outcome in here] == ["failed"], "in this process the first failure ends it"


def test_a_plan_is_checked_before_anything_is_trained() -> None:
    study = sweep(["grace", "e2neg"], ["quick"], 2, epochs=7)
    assert [str(task) for task in plan(study, ["cora"])] == [
        "grace on cora, quick, epochs=7, seed 0", "e2neg on cora, quick, epochs=7, seed 0",
        "grace on cora, quick, epochs=7, seed 1", "e2neg on cora, quick, epochs=7, seed 1",
    ]  # fmt: skip
    with pytest.raises(UserError, match="did you mean 'grace'"):
        sweep(["grce"], ["quick"])
    with pytest.raises(UserError, match="unknown graph 'coora'; did you mean 'cora'"):
        plan(study, ["cora", "coora"], left_out=[])
    named, whole = (plan(sweep(["grace"], [preset]), ["cora"]) for preset in ("released", "released/cora"))
    assert named == whole, "one name, one lock"
    with pytest.raises(UserError, match="parameter 'epoch'"):
        plan(sweep(["grace"], ["quick"], epoch=7), ["cora"])
    with pytest.raises(UserError, match="no 'released' preset for graph 'photo'"):
        plan(sweep(["grace"], ["released"]), ["photo"])
    for names in (["netmf", "hops"], ["popularity"]):  # those of another kind of data leave this kind's own
        beside = replace(study, baselines=tuple(names), protocols=("random-10-10-80",))
        planned = [task.condition.name for task in plan(beside, ["cora"]) if task.kind == "baseline"]
        assert planned == (names if "netmf" in names else ["raw", "propagated", "hops"])
    for seeds in (0, True, [-1], [1.5], []):
        with pytest.raises(UserError, match="seeds are"):
            sweep(["grace"], ["quick"], seeds)
    for seeds in (100_001, 10**30, range(10**9)):
        with pytest.raises(UserError, match=r"may have 100,000 trainings at most, and .* seeds are more"):
            sweep(["grace"], ["quick"], seeds)
    with pytest.raises(UserError, match="2 conditions on 1 data with 50,001 seeds are more"):
        plan(replace(study, seeds=50_001), ["cora"])
    left_out: list[str] = []
    assert len(plan(sweep(["grace", "e2neg"], ["released"], 1), ["cora", "photo"], left_out=left_out)) == 2
    assert len(left_out) == 2 and "'released' preset for graph 'photo'" in left_out[1]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "grace", "e2neg", "--graphs", "karate", "--preset", "released", "defaults", "--seeds", "1"]
    more = ["-p", "epochs=2", "-p", "dim=8", "-p", "k=4", "--out", str(tmp_path / "rows.csv")]
    assert main([*words, *more]) == 0
    out, told = capsys.readouterr()
    assert out.count("trained") == 2 and told.count("left out: method") == 2
    assert (tmp_path / "rows.csv").read_text().startswith("condition,method,data,preset,seed,state,reason,epochs,asked")
    assert main([*words[:-4], "released"]) == 2 and "no training is left" in capsys.readouterr().err
    assert main([*words, *more, "--deadline", "0"]) == 2 and main(["sweep", "grace"]) == 2
