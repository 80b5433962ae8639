"""Where the tasks of a study are worked on: in this process, in others, on a Dask cluster, or as jobs by submitit."""

import json
import math
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from loky import ProcessPoolExecutor

from workbench import DISTRIBUTION, endings
from workbench.errors import UserError
from workbench.studies.tasks import Task
from workbench.studies.worker import BUSY, FAILED, UNFINISHED, Named, Outcome, work

ATTEMPTS = 3  # of a training whose worker is killed each time
SUBMITIT = ("slurm", "local")  # names of submitit; "local" starts all jobs at once on this machine, to try it out
DAY = 24 * 60  # minutes that a job may take unless told otherwise; submitit gives it 5
POLL = 0.5  # seconds between looks at the jobs
KILLED = f"killed {ATTEMPTS} times, perhaps for want of memory"


def outcomes(tasks: list[Task], workers: int, on: str | None, shared: Named) -> Iterator[Outcome]:
    """Work on tasks and yield what became of each, as it ends.

    Args:
        workers, on: as for `workbench.studies.execute.execute`. shared: what `work` takes beside the task.
    """
    if on and on.partition(" ")[0] in SUBMITIT:
        return by_submitit(tasks, on, shared)
    if on:
        return dask(tasks, on, shared)
    return processes(tasks, workers, shared) if workers else alone(tasks, shared)


def alone(tasks: list[Task], shared: Named) -> Iterator[Outcome]:
    """Work in this process, up to the first failure or interruption."""
    for task in tasks:
        outcome = work(task, **shared, wait=True)
        yield outcome
        if outcome.state == FAILED or (outcome.state == UNFINISHED and shared["until"] == math.inf):
            return


def processes(tasks: list[Task], workers: int, shared: Named) -> Iterator[Outcome]:
    """Work in a process for each thread of this one, so that a killed worker takes no other with it."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), str(shared["threads"]))
    mine, pools, ended = threading.local(), list[ProcessPoolExecutor](), threading.Event()

    def start() -> None:
        # Ctrl-C is for this process alone, and workers inherit what a thread doesn't hear.
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        own = {"initializer": endings.with_parent, "initargs": (os.getpid(),)}
        mine.pool = ProcessPoolExecutor(max_workers=1, env=limits, **own)
        pools.append(mine.pool)

    def attempt(task: Task, waits: bool) -> Outcome:
        for _ in range(ATTEMPTS):
            try:
                return mine.pool.submit(work, task, **shared, wait=waits).result()
            except (BrokenProcessPool, OSError):  # the latter where it is killed while it is started
                if ended.is_set():
                    break
                start()
        return Outcome(task, FAILED, f"its worker was {KILLED}")

    threads, done = ThreadPoolExecutor(min(workers, len(tasks)) or 1, initializer=start), False
    try:
        for waits in (False, True):  # what another process trains is left to the end
            futures = [threads.submit(attempt, task, waits) for task in tasks]
            tasks = []
            for future in as_completed(futures):
                outcome = future.result()
                if outcome.state == BUSY:
                    tasks.append(outcome.task)
                else:
                    yield outcome
        done = True
    finally:
        ended.set()
        threads.shutdown(wait=False, cancel_futures=True)
        for pool in pools:
            pool.shutdown(kill_workers=not done)


def dask(tasks: list[Task], address: str, shared: Named) -> Iterator[Outcome]:
    """Work on the workers of a Dask scheduler, which starts what a killed one leaves on another."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise _lacks("a study on a cluster needs Dask", "cluster") from None
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address!r} ({_line(error)})") from None
    options: Named = {**shared, "pure": False, "retries": ATTEMPTS, "wait": True}
    with client:

        def sent() -> dict[str, Any]:
            """Send data in memory to every worker that is there."""
            try:
                own = dict(shared["in_memory"])
                return client.scatter(own, broadcast=True, hash=False) if own else {}
            except TimeoutError:
                raise UserError(f"the Dask scheduler at {address!r} has no worker to send data to") from None

        def submit(task: Task) -> Any:
            return client.submit(work, task, **{**options, "in_memory": _own(task, data)})

        data = sent()
        futures = {submit(task): (task, 1) for task in tasks}
        ending = as_completed(list(futures), loop=client.loop)
        for future in ending:
            task, attempt = futures.pop(future)
            try:
                yield future.result()
            except CancelledError as error:  # a worker that came late has no copy of data that went with another
                if attempt == ATTEMPTS:
                    yield Outcome(task, FAILED, f"{type(error).__name__}: {_line(error)}")
                    continue
                if any(part.status != "finished" for part in data.values()):
                    data = sent()
                futures[again := submit(task)] = (task, attempt + 1)
                ending.add(again)
            except Exception as error:
                yield Outcome(task, FAILED, f"{type(error).__name__}: {_line(error)}")


class Job:
    """A task as a job: when its time is up it is queued again, and its training goes on from the last checkpoint."""

    def __call__(self, task: Task, **options: Any) -> Outcome:
        """Work on the task."""
        return work(task, **options)

    def checkpoint(self, task: Task, **options: Any) -> Any:
        """Return what submitit is to queue again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, task, **options)


def by_submitit(tasks: list[Task], on: str, shared: Named) -> Iterator[Outcome]:
    """Work in jobs, one a task, of the cluster and with the settings that the words of `on` name.

    What goes to a job and comes back lies pickled in a folder of the store that nobody but this user can enter, so what
    is read there is our own. It is gone when all jobs gave a result.
    """
    try:
        import submitit
        from submitit.core.utils import FailedJobError, UncompletedJobError
    except ImportError:
        raise _lacks("a study on Slurm needs submitit", "slurm") from None
    cluster, *words = on.split()
    folder = Path(tempfile.mkdtemp(prefix=".jobs-", dir=shared["store"]))
    options, waiting, lost = {**shared, "wait": True}, list[tuple[Task, Any, int]](), False

    def submit(task: Task) -> Any:
        return executor.submit(Job(), task, **{**options, "in_memory": _own(task, shared["in_memory"])})

    try:
        try:
            settings = {name: _value(text) for name, _, text in (word.partition("=") for word in words)}
            executor = submitit.AutoExecutor(folder, cluster=cluster)
            executor.update_parameters(**{"name": DISTRIBUTION, "timeout_min": DAY, **settings})
            with executor.batch():  # one array of jobs
                submitted = [(task, submit(task), 1) for task in tasks]
        except (AssertionError, NameError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"no job can be submitted to {on!r}: {_line(error)}") from None
        waiting = submitted
        while waiting:
            late = time.time() >= shared["until"]
            for entry in [entry for entry in waiting if late and entry[1].state == "PENDING"]:
                waiting.remove(entry)
                entry[1].cancel(check=False)
                yield Outcome(entry[0], UNFINISHED, "not begun before the deadline")
            for entry in [entry for entry in waiting if entry[1].done()]:
                task, job, attempt = entry
                waiting.remove(entry)
                try:
                    outcome = job.result()
                except FailedJobError:  # before `work` began, e.g. an import on the job's machine
                    outcome, lost = Outcome(task, FAILED, f"its job failed; {job.paths.stderr} is its log"), True
                except UncompletedJobError:
                    if "CANCEL" in job.state.upper():
                        outcome = Outcome(task, UNFINISHED, "its job was cancelled")
                    elif attempt < ATTEMPTS:
                        waiting.append((task, submit(task), attempt + 1))
                        continue
                    else:
                        outcome = Outcome(task, FAILED, f"its job was {KILLED}; {job.paths.stderr} is its log")
                        lost = True
                yield outcome
            if waiting:
                time.sleep(POLL)
    finally:
        for _, job, _ in waiting:
            job.cancel(check=False)
        if not lost:
            shutil.rmtree(folder, ignore_errors=True)


def _own(task: Task, in_memory: Named) -> Named:
    """Return the data of a task, if they are in memory."""
    return {name: data for name, data in in_memory.items() if name == task.data}


def _lacks(what: str, extra: str) -> UserError:
    return UserError(f"{what}, which is not installed: pip install '{DISTRIBUTION}[{extra}]'")


def _line(error: Exception) -> str:
    """Return the first line of what an error says, else its kind."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _value(text: str) -> Any:
    """Return a setting of a job: a number where it is one, else a word."""
    try:
        return json.loads(text)
    except ValueError:
        return text
