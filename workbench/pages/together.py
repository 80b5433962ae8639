"""Several notebooks at once, each in a process of its own, with the time that is left."""

import contextlib
import os
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import psutil

from workbench.errors import UserError
from workbench.pages import notebooks
from workbench.pages.notebooks import HEADLESS, Outcome

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
PATIENCE = 20.0  # seconds that an interruption waits for kernels to end


class Progress:
    """How far some notebooks are, by what each cell took when it was executed last in the same folder."""

    def __init__(self, names: Sequence[str], out_dir: Path):
        self._began, self._lock = time.perf_counter(), threading.Lock()
        self.left = {name: _seconds(name, out_dir) for name in names}  # of the cells that did not run yet
        self._whole = self.work

    @property
    def work(self) -> float:
        """Seconds of all cells that did not run yet."""
        return sum(sum(cells.values()) for cells in self.left.values())

    def cell(self, name: str, cell: str) -> None:
        """Take note that a cell of a notebook ran."""
        with self._lock:
            self.left[name].pop(cell, None)

    def notebook(self, name: str) -> None:
        """Take note that a notebook ended, maybe before its last cell."""
        with self._lock:
            self.left[name] = {}

    def seconds_left(self) -> float | None:
        """Return how long the rest takes if it goes on as it went up to now; None before the first cell ended."""
        with self._lock:
            done = self._whole - self.work
            return (time.perf_counter() - self._began) * self.work / done if done else None

    def __str__(self) -> str:
        seconds, ended = self.seconds_left(), sum(not cells for cells in self.left.values())
        rest = "" if seconds is None else f", about {_duration(seconds)} left"
        return f"{ended} of {len(self.left)} notebooks executed{rest}"


def execute(
    names: Sequence[str],
    parameters: Mapping[str, Any],
    out_dir: str | Path,
    *,
    html: bool = True,
    timeout: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Generator[Outcome, None, None]:
    """Execute notebooks, as many at once as there are cores, and yield what became of each as it ends.

    Those that took longest are begun first. Beside others a notebook computes in one thread. All share one store, and
    what two of them train is trained once. Where this is ended early, so are all kernels and what they started.

    Args:
        names, parameters, out_dir, html, timeout: as for `notebooks.execute`.
        workers: how many at once; None for the cores.
        progress: is told of each cell.
    """
    progress = progress or Progress(names, Path(out_dir))
    count = min(workers or len(os.sched_getaffinity(0)), len(names))
    alone = {name: os.environ.get(name, "1") for name in THREADS} if count > 1 else {}
    order = sorted(names, key=lambda name: -sum(progress.left[name].values()))

    def one(name: str) -> Outcome:
        def told(cell: str) -> None:
            progress.cell(name, cell)

        outcome = notebooks.execute(name, parameters, out_dir, html=html, timeout=timeout, told=told)
        progress.notebook(name)
        return outcome

    # What each would set for its kernel is set here for all, since the environment is one.
    with notebooks.environment(**HEADLESS, **alone), _ended_with(ThreadPoolExecutor(count)) as threads:
        for future in as_completed([threads.submit(one, name) for name in order]):
            yield future.result()


@contextlib.contextmanager
def _ended_with(threads: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """Leave no kernel behind when the block ends, in whatever way."""
    try:
        yield threads
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        until = time.perf_counter() + PATIENCE
        while any(thread.is_alive() for thread in threads._threads) and time.perf_counter() < until:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.2)
        raise
    threads.shutdown()


def _seconds(name: str, out_dir: Path) -> dict[str, float]:
    """Return what each code cell of a notebook took last, by id; one of which nothing is known counts as a second."""
    known: dict[str, float] = {}
    with contextlib.suppress(UserError):
        before = notebooks.read(out_dir / f"{notebooks.find(name).stem}.ipynb")
        known = {cell.id: cell.metadata.get("papermill", {}).get("duration") or 1.0 for cell in before.cells}
    cells = notebooks.read(notebooks.find(name)).cells
    return {cell.id: float(known.get(cell.id, 1.0)) for cell in cells if cell.cell_type == "code"}


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
