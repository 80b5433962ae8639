"""What the objectives lab looks at: an encoder under two objectives, the forces on an anchor, gauges by epoch."""

import html
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from torch import Tensor

from workbench.config import Part
from workbench.datasets.arrays import Rows
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError, node_number
from workbench.evaluation.scores import evaluate
from workbench.objectives.forces import GAUGES, Forces, forces, gauges
from workbench.plots.forces import force_histogram, force_map, gauge_curves
from workbench.training.fit import fit
from workbench.training.loop import Progress
from workbench.training.run import Run
from workbench.widgets.tables import table

MOST, DIGITS = 5_000, 600  # items that are looked at, and rows of named arrays that are taken: a training takes seconds
LOOKS, SPLITS = 8, 3  # at a training; of the random splits that score it


@dataclass(frozen=True)
class Setting:
    """What is turned: an objective for each side, and what both share, see `workbench.methods.base.ContrastConfig`."""

    first: Part
    second: Part
    tau: float = 0.2
    negatives: Part = Part("all")
    k: int = 64
    positives: Part = Part("self")
    epochs: int = 60
    seed: int = 0

    def named(self) -> dict[str, Part]:
        """Return both objectives by what they are called, one of them where they are the same."""
        return {str(part): part for part in (self.first, self.second)}


@dataclass(frozen=True)
class Trained:
    """What a training under one objective came to, or why it could not be.

    Attributes:
        course: gauges by epoch. accuracy: with its spread, or why there is none; "" without labels.
    """

    run: Run | None
    course: pd.DataFrame
    accuracy: str = ""
    problem: str = ""


class ObjectiveLab:
    """The scene.

    Args:
        data: a graph, rows of an array, or a tensor; of named arrays the first 600 rows are taken.
        setting: what is turned. anchor: whose forces are shown.

    Attributes:
        trained: by the name of each objective. epochs: how many are behind what is shown, 0 before any training.
        labels: of the items, None without any; they are looked at only.
    """

    widget = "objectives lab"

    def __init__(self, data: Any, setting: Setting, anchor: int):
        kind = kind_of(data)
        if kind.name not in ("nodes", "arrays"):
            raise UserError(f"the objectives lab takes one graph or rows of an array, not {kind.words}")
        if kind.name == "arrays":
            data = kind.cast(data, [])
            x, y = data.x[:DIGITS], data.get("y")
            data = Rows(x=x, name=data.get("name")) if y is None else Rows(x=x, y=y[:DIGITS], name=data.get("name"))
        items = next(iter(kind.sizes(data).values()))
        if items > MOST:
            raise UserError(f"the objectives lab looks at {MOST:,} nodes at most, and this graph has {items:,}")
        self.data, self.kind, self.items = data, kind, items
        self.method = "grace" if kind.name == "nodes" else "simclr"
        self.setting, self.anchor = setting, node_number(anchor, items)
        y = kind.labels(kind.cast(data, []))
        self.labels: Tensor | None = y if y is not None and y.dim() == 1 else None
        self.trained: dict[str, Trained] = {}
        self.epochs = 0

    def parameters(self, objective: Part) -> dict[str, Any]:
        """Return what differs from the method's quick preset."""
        s = self.setting
        given = {"objective": objective, "tau": s.tau, "negatives": s.negatives, "k": s.k, "positives": s.positives}
        # Steps are few where each takes all rows, so they are longer.
        longer = {"channels": 8, "lr": 5e-3} if self.method == "simclr" else {}
        return {**given, **longer, "batch_size": 0, "epochs": s.epochs}

    def train(self, told: Callable[[str], object] = lambda _: None) -> None:
        """Train under each objective, and keep the gauges of about eight moments; `told` hears how far it is."""
        self.epochs = self.setting.epochs
        for name, part in self.setting.named().items():
            self.trained[name] = self._training(name, part, told, self.epochs)

    def begin(self) -> None:
        """Show what each objective does to the untrained encoder: what one step compares precedes its update."""
        for name, part in self.setting.named().items():
            self.trained[name] = self._training(name, part, lambda _: None, 1)

    def _training(self, name: str, part: Part, told: Callable[[str], object], epochs: int) -> Trained:
        s, rows = self.setting, dict[int, dict[str, float]]()
        due = {round(epochs * place / LOOKS) for place in range(1, LOOKS + 1)}

        def look(progress: Progress) -> None:
            if (progress.epoch in due or progress.epoch == 1) and "contrast" in progress.kept:
                u, v = progress.kept["projections"]
                # The step's projections are those before its update.
                rows[progress.epoch - 1] = gauges(part, progress.kept["contrast"], u, v, self.labels, self.anchor)
                told(f"{name}: epoch {progress.epoch} of {progress.epochs}")

        try:
            with tempfile.TemporaryDirectory() as store:
                more = {"store": store, "progress": False, "callback": look, **self.parameters(part), "epochs": epochs}
                run = fit(self.method, self.data, "quick", s.seed, **more)
            run = replace(run, path=None)
        except UserError as error:
            return Trained(None, pd.DataFrame(columns=[*GAUGES]), problem=str(error))
        course = pd.DataFrame.from_dict(rows, "index", columns=[*GAUGES]).rename_axis("epoch")
        return Trained(run, course, self._accuracy(run) if self.epochs else "")

    def _accuracy(self, run: Run) -> str:
        if self.labels is None:
            return ""
        try:
            return str(evaluate(run, self.data, splits=SPLITS, progress=False).accuracy)
        except UserError:  # too few of them
            return "too few labels"

    def forces(self) -> dict[str, Forces]:
        """Return the forces on the anchor at the end of each training that came to one, by its name."""
        found = {}
        for name, trained in self.trained.items():
            if trained.run is not None and trained.run.contrast is not None:
                part, (u, v) = self.setting.named()[name], trained.run.projections
                found[name] = forces(part, trained.run.contrast, u, v, self.anchor)
        return found

    def figures(self) -> dict[str, go.Figure]:
        """Draw "forces", "push" and, of a training, "gauges"; nothing where no training came to anything."""
        told = self.forces()
        if not told:
            return {}
        courses = {name: trained.course for name, trained in self.trained.items() if name in told}
        by_force = {"forces": force_map(told, self.labels), "push": force_histogram(told, self.labels)}
        return by_force | ({"gauges": gauge_curves(courses)} if self.epochs else {})

    def table(self) -> pd.DataFrame:
        """Return one line per objective: loss of the anchor, gauges at the last step, accuracy if there are labels."""
        told, lines = self.forces(), {}
        for name, trained in self.trained.items():
            if trained.run is None or name not in told:
                continue
            line: dict[str, Any] = {"loss of the anchor, nats": told[name].loss}
            line |= {words.partition(":")[0]: trained.course[key].iloc[-1] for key, words in GAUGES.items()}
            lines[name] = line | ({"accuracy": trained.accuracy} if trained.accuracy else {})
        return pd.DataFrame.from_dict(lines, "index").dropna(axis=1, how="all")

    def told(self) -> str:
        """Tell in HTML what is seen: the table, and what could not be trained and why."""
        wrong = [f"{name}: {trained.problem}" for name, trained in self.trained.items() if trained.problem]
        parts = [f"<p>{html.escape(sentence)}</p>" for sentence in wrong]
        measured = self.table()
        if len(measured):
            when = f"After {self.epochs} epochs" if self.epochs else "Before any training"
            title = f"<p><b>{when}, anchor {self.anchor}</b></p>"
            shown = measured.map(lambda value: f"{value:.3g}" if isinstance(value, float) else value)
            parts.append(title + table(shown.T.reset_index(names="")))
        if "accuracy" in measured:
            parts.append(f"<p>Accuracy in percent by random-10-10-80, {SPLITS} splits of one training.</p>")
        return "".join(parts)

    def page(self, figures: dict[str, go.Figure]) -> list[str | go.Figure]:
        """Return what the static twin shows."""
        return [*figures.values(), self.told()]
