"""A training in a thread of its own that can be watched, paused and ended; no widget."""

import atexit
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from torch_geometric.data import Data

from workbench.datasets import load_graph
from workbench.errors import UserError
from workbench.evaluation import evaluate
from workbench.plots.losses import History, term_curves
from workbench.training.fit import fit
from workbench.training.loop import Progress
from workbench.training.run import Run
from workbench.training.watch import COLLAPSED, measured
from workbench.widgets.form import Request, kind_shown
from workbench.widgets.looks import PROTOCOL, Looks

SNAPSHOTS = 8
DRAWN = 1_000  # points of a curve at most
PICTURE_SECONDS, PICTURE_SHARE = 0.3, 0.1  # at least so long between two pictures, at most such a share of the time
HEIGHT = 380  # pixels of the losses


def under_way() -> list["Training"]:
    """Return the trainings of this process that run in a thread and have not ended."""
    return [thread for thread in threading.enumerate() if isinstance(thread, Training)]


@atexit.register
def _end_all() -> None:
    """Let what is under way keep a checkpoint, and leave no thread to the end of the process, which it may abort."""
    for training in under_way():
        training.end("the process ended")
        training.join(5)


class Training(threading.Thread):
    """One training of a request: `start` runs it in its thread, `work` where it is called.

    A process has one at a time: starting ends those under way. Other threads call `pause`, `resume` and `end` and read
    the attributes, which only the training itself changes.

    Args:
        request: what to train. every: epochs from one look to the next; may be changed on the way.
        tell: called with the training where there is something new to show.
        before: an earlier training; where it was of the same request, its curves go on.

    Attributes:
        graph: the graph once it is loaded. rows: one dictionary an epoch, as a row of the history.
        phase: "idle", "waiting", "loading", "preparing", "training", "paused", "measuring" or "over".
        looks: at the embedding on the way. result: the run once training has ended, complete or not.
        sentence: what happened, once it is over. failed: whether that is a failure.
        error: the traceback of an error that is no user's mistake.
    """

    def __init__(
        self,
        request: Request,
        every: int,
        tell: Callable[["Training"], object] = lambda _: None,
        before: "Training | None" = None,
    ):
        super().__init__(name=f"training {request}", daemon=True)
        self.request, self.every, self._tell, self._before = request, every, tell, before
        self.graph = request.graph if isinstance(request.graph, Data) else None
        self.phase, self.went_on = "idle", 0
        self.looks = Looks(self.graph, request.seed, request.supervised)
        self.rows: list[dict[str, Any]] = []
        self.result: Run | None = None
        self.sentence, self.failed, self.error = "", False, ""
        self._going, self._ended, self._why, self._next_picture = threading.Event(), False, "", 0.0
        self._going.set()
        self._others: list[Training] = []

    def start(self) -> None:
        """Train in the thread, after what is under way has ended, as it is asked to."""
        self._others, self.phase = under_way(), "waiting"
        for other in self._others:
            other.end("another training was started")
        super().start()

    @property
    def active(self) -> bool:
        """Whether it was started and is not over."""
        return self.phase not in ("idle", "over")

    @property
    def epoch(self) -> int:
        """The last epoch that was trained."""
        rows = self.rows
        return rows[-1]["epoch"] if rows else 0

    @property
    def paused(self) -> bool:
        """Whether it was asked to pause."""
        return self.active and not self._going.is_set()

    @property
    def ending(self) -> bool:
        """Whether it was asked to end and is not over."""
        return self.active and self._ended

    def pause(self) -> None:
        """Wait after the epoch under way."""
        if not self._ended:
            self._going.clear()

    def resume(self) -> None:
        """Go on after a pause."""
        self._going.set()

    def end(self, why: str = "") -> None:
        """End after the epoch under way, or out of a pause; a checkpoint keeps what was learned."""
        if not self._ended:
            self._ended, self._why = True, f", as {why}" if why else ""
        self._going.set()

    @property
    def history(self) -> pd.DataFrame:
        """One row per epoch so far, one column per loss term, and "seconds"."""
        return pd.DataFrame(list(self.rows) or {"epoch": [], "loss": [], "seconds": []}).set_index("epoch")

    def run(self) -> None:
        """Train, and tell what goes wrong instead of raising it."""
        try:
            for other in self._others:
                other.join()
            self.work()
        except UserError as error:
            self.sentence, self.failed = f"{error}.", True
        except Exception as error:
            self.error, self.failed = traceback.format_exc(), True
            words = next(iter(str(error).splitlines()), "no message")
            self.sentence = f"{type(error).__name__}: {words}; the full report is in panel.error."
        self._others, self._before = [], None
        self._enter("over")

    def work(self) -> None:
        """Load the graph, train, look and measure; errors as of `load_graph` and `fit`."""
        asked, before = self.request, self._before
        if before is not None and before.request.graph == asked.graph:
            self.graph = before.graph
        if self.graph is None:
            self._enter("loading")
            self.graph = load_graph(asked.graph)
        kind_shown(self.graph, asked.label)  # refuses others
        self.looks = Looks(self.graph, asked.seed, asked.supervised)
        if before is not None and before.request == asked and before.rows:
            self.rows, self.looks = before.rows, before.looks
        if self._ended:
            self.sentence = f"Stopped before the first epoch{self._why}."
            return
        self._enter("preparing")
        usual: dict[str, Any] = {"callback": self._after_epoch, "snapshots": SNAPSHOTS, "progress": False}
        run = fit(asked.method, self.graph, asked.preset.name, asked.seed, **usual, **asked.preset.changed)
        stored = self.phase == "preparing" and run.epochs > 0
        self.result, self.rows = run, run.history.reset_index().to_dict("records")
        self._enter("measuring")
        self.looks.ranks |= dict(run.watched.get("effective_rank", {}))
        if stored:  # what was kept on the way, in half precision, is all there is to look at
            for epoch in sorted(run.snapshots.keys() - {run.epochs}):
                self.looks.look(epoch, run.snapshots[epoch].float())
        if self.looks.epoch != run.epochs:
            self.looks.look(run.epochs, run.embeddings)
        self.sentence = self._summary(run, stored)

    def _enter(self, phase: str) -> None:
        self.phase = phase
        self._tell(self)

    def _after_epoch(self, now: Progress) -> bool:
        first = self.phase == "preparing"
        if first:
            self.went_on = now.epoch - 1
            # What an earlier training did after its checkpoint was written is done again.
            self.rows = [row for row in self.rows if row["epoch"] < now.epoch]
            self.looks.forget(now.epoch)
        self.rows.append({"epoch": now.epoch, **now.terms, "seconds": now.seconds})
        self.looks.ranks |= {epoch: row["effective_rank"] for epoch, row in now.watched.items()}
        if first:
            self._enter("training")
        due = first or now.epoch % self.every == 0
        if due and now.epoch < now.epochs and not self._ended:  # the last embedding is looked at once it is a run's
            embedding = now.embed()
            self.looks.look(now.epoch, embedding)
            self.looks.ranks |= {now.epoch: measured(embedding, None, ("effective_rank",))["effective_rank"]}
        if not self._going.is_set():
            self._enter("paused")
            self._going.wait()
            self._enter("training")
        elif time.perf_counter() >= self._next_picture:
            began = time.perf_counter()
            self._tell(self)
            ended = time.perf_counter()
            self._next_picture = ended + max(PICTURE_SECONDS, (ended - began) * (1 / PICTURE_SHARE - 1))
        return not self._ended

    def status(self) -> str:
        """Say in a sentence what is going on or, once it is over, what happened."""
        if not self.active:
            return self.sentence or "Nothing trained yet: choose, and press start."
        if self._ended:
            return f"Stopping after the epoch under way{self._why} …"
        if self.paused:
            return (
                "Paused: training waits until you press resume."
                if self.phase == "paused"
                else "Pausing after the epoch under way …"
            )
        on = f", from epoch {self.went_on + 1} on: a checkpoint held the epochs before" if self.went_on else ""
        return {
            "waiting": "Waiting for the training before to end …",
            "loading": f"Loading {self.request.label} …",
            "preparing": f"Preparing {self.request} …",
            "paused": "Going on …",
            "training": f"Training {self.request}{on}.{self._rank()}",
            "measuring": f"Measuring the accuracy by {PROTOCOL} …",
        }[self.phase]

    @property
    def warning(self) -> str:
        """What is to be said where training made the embedding collapse, as far as it has come; "" where it didn't."""
        if self.result is not None:
            return self.result.collapse and f"{self.request.method}: {self.result.collapse}."
        ranks = self.looks.ranks
        fallen = ranks and ranks[max(ranks)] < COLLAPSED * ranks.get(0, 0)
        return "The embedding has collapsed so far; it may recover, as that of BGRL does." if fallen else ""

    def _rank(self) -> str:
        ranks = self.looks.ranks
        if not ranks or 0 not in ranks:
            return ""
        latest = max(ranks)
        now = f", {ranks[latest]:.1f} after epoch {latest:,}" if latest else ""
        return f" Effective rank: {ranks[0]:.1f} dimensions untrained{now}."

    def left(self) -> float | None:
        """Return how many seconds are left by the latest epochs and the latest look; None where it is not known."""
        latest = self.rows[-20:]
        if self.phase != "training" or len(latest) < 2:
            return None
        seconds = (latest[-1]["seconds"] - latest[0]["seconds"]) / (len(latest) - 1)
        return float((self.request.epochs - latest[-1]["epoch"]) * (seconds + self.looks.seconds / self.every))

    def _summary(self, run: Run, stored: bool) -> str:
        asked, on = self.request, f", the last {run.epochs - self.went_on} from a checkpoint on" if self.went_on else ""
        done = "Loaded from the store, where it was" if stored else "Trained"
        if not run.complete:
            done = f"Stopped{self._why}; start goes on from this checkpoint"
        measured = f"no accuracy: {self.looks.unscored}"
        if not self.looks.unscored:
            assert self.graph is not None
            measured = str(self.looks.scores[run.epochs])
            if run.complete:  # ten splits are for what is whole
                measured = str(evaluate(run, self.graph, PROTOCOL, progress=False))
        epochs = f"{run.epochs:,} of {asked.epochs:,} epochs{on}, in {run.seconds:.1f} s"
        return (
            f"{done}: {asked}; {epochs}; {measured}; peak {run.peak_mib:,.0f} MiB above what was in use before, which "
            "counts what else the kernel did meanwhile."
        )

    def figures(self) -> dict[str, go.Figure]:
        """Return the figures "losses", "accuracy" and "map" as they stand."""
        return {name: self.figure(name) for name in ("losses", "accuracy", "map")}

    def figure(self, name: str) -> go.Figure:
        """Draw one of the figures."""
        if name != "losses":
            return self.looks.draw_map() if name == "map" else self.looks.draw_accuracy(self.request.epochs)
        history, asked = self.history, self.request
        step = -(-len(history) // DRAWN) or 1
        drawn = history.iloc[(len(history) - 1) % step :: step]  # with the last
        heading = f"Loss terms of {asked.method} on {asked.label}"
        return term_curves([History(asked.method, asked.method, drawn)], heading, asked.epochs, HEIGHT)
