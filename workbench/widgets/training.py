"""The training panel: a model's losses, accuracy and map while it trains, paused and resumed at will."""

import html
import threading
from typing import Any

import ipywidgets as ipw
import plotly.graph_objects as go
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.training.run import Run
from workbench.widgets.form import Form, checked
from workbench.widgets.home import preamble, text, written
from workbench.widgets.shell import Report, Shell, column, complaint, fit, headless, look, row, wide
from workbench.widgets.thread import Training, under_way


def training_panel(
    graph: Data | str = "pydocs",
    method: str = "grace",
    preset: str | None = None,
    seed: int = 0,
    every: int = 5,
    **overrides: Any,
) -> "TrainingPanel | Report":
    """Train a method and watch its loss terms, the accuracy of a probe and the map of its embedding meanwhile.

    Training goes on beside the notebook, so that other cells can be run. A kernel trains one model at a time: a new
    panel, hence also a cell that is run again, ends what another panel trains; a checkpoint keeps it.

    Args:
        graph: the graph, or rows of an array such as images, or a name; labels, where there are any, are used to look,
            and to train by a method that learns from labels alone.
        method, preset, seed: what the panel opens on, as for `fit`.
        every: epochs from one look at accuracy and map to the next.
        **overrides: parameters that differ from the preset; an unknown one is an error.

    Returns:
        The panel, whose `run` is the run once there is one; or with WORKBENCH_HEADLESS=1, after training at once, a
        static report with the same pictures, `run`, `graph`, `history` and, as `sentence`, what happened.

    Raises:
        UserError: an unknown name or parameter, or a value that does not fit; for the report also what `fit` raises.
    """
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise UserError(f"every is {every!r}; looks are a whole number of epochs apart, 1 or more")
    if not isinstance(graph, Data | str):
        raise UserError(f"the training panel takes a torch_geometric Data, Rows or a name, not {type(graph).__name__}")
    if headless():
        training = Training(checked(graph, method, preset, seed, overrides)[0], every)
        training.work()
        return Report(Trained(training))
    return TrainingPanel(Form(graph, method, preset, seed, overrides), every)


class Trained:
    """A training that is over, as its report shows it: run, graph, history (one row per epoch), sentence, warning."""

    widget = "training panel"

    def __init__(self, training: Training):
        self.figures = training.figures
        self.run, self.graph, self.history = training.result, training.graph, training.history
        self.sentence, self.warning = training.sentence, training.warning

    def page(self, figures: dict[str, go.Figure]) -> list[str | go.Figure]:
        """Return what the static twin shows."""
        return [*figures.values(), f"<p>{html.escape(self.sentence)}</p>", complaint(self.warning)]


class TrainingPanel(Shell):
    """The widget; its scene is the training, which another takes the place of when one is started.

    Handlers of the controls run in the kernel's own thread and only ask the training to pause, go on or end. What it
    does is shown by its own thread; a lock keeps the two from writing on the screen at once.

    Attributes:
        form: what to train. every: epochs from one look to the next.
        buttons: "start", "pause" (which resumes what is paused) and "stop".
        progress, counter, message: how far the training is, and what is going on or happened.
        figures: "losses", "accuracy" and "map". history: one row per epoch so far. graph: once it is loaded.
        error: the traceback of an error that is no user's mistake, else "".
    """

    scene: Training

    def __init__(self, form: Form, every: int):
        super().__init__(Training(form.asked, every))  # type: ignore[arg-type] # a form opens without a mistake
        for other in under_way():
            other.end("another panel was made")
        self.form, self._lock = form, threading.RLock()
        ends = {"value": every, "min": 1, "max": 10**6, "tooltip": "how often accuracy and map are made anew"}
        self.every = ipw.BoundedIntText(description="epochs between looks", **ends, **look(160, "236px"))
        icons = {"start": "play", "pause": "pause", "stop": "stop"}
        self.buttons = {name: ipw.Button(description=name, icon=icon) for name, icon in icons.items()}
        self.buttons["start"].button_style = "primary"
        self.progress = ipw.IntProgress(layout=wide("1 1 160px"))
        self.counter, self.message = ipw.HTML(layout=ipw.Layout(width="260px")), ipw.HTML()
        self.message.layout.min_height = "78px"  # of four lines, so that nothing below moves
        for name, button in self.buttons.items():
            button.layout.width = "110px"
            button.add_class(f"training-{name}")
        self._name("training", "counter", "message")
        self._shown: dict[str, object] = {}
        self._follow(self.scene)
        left = column("1 1 400px", self.figures["losses"], self.figures["accuracy"])
        self.children = [
            form,
            row(*self.buttons.values(), self.every),
            row(self.progress, self.counter),
            self.message,
            fit(),
            row(left, column("1 1 400px", self.figures["map"]), align="stretch"),
        ]
        self.buttons["start"].on_click(lambda _: self.start())
        self.buttons["pause"].on_click(lambda _: self.resume() if self.scene.paused else self.pause())
        self.buttons["stop"].on_click(lambda _: self.stop())
        self._observe(lambda: setattr(self.scene, "every", self.every.value), self.every)
        form.observe(lambda _: self._asked(), "asked")

    @property
    def run(self) -> Run | None:
        """The run of what was started last, complete or not; None while there is none."""
        return self.scene.result

    def call(self) -> str:
        """Return the Python that makes this panel as it stands; of a form with a mistake, what was asked for last."""
        asked = self.form.asked or self.scene.request
        named = isinstance(asked.graph, str)
        first = (text(asked.graph) if named else "graph", text(asked.method))
        state = {"preset": asked.preset.name, "seed": asked.seed, "every": self.every.value, **asked.preset.changed}
        return preamble(**{} if named else {"graph": asked.graph}) + written(training_panel, *first, **state)

    def start(self) -> None:
        """Train what stands in the form; another training is ended, the same one resumed."""
        asked, now = self.form.asked, self.scene
        if asked is None:
            raise UserError(self.form.problem)
        if now.active and not now.ending and now.request == asked:
            self.resume()
            return
        with self._lock:
            self.scene = Training(asked, self.every.value, self._follow, now)
            self.scene.start()
            self._follow(self.scene)

    def pause(self) -> None:
        """Wait after the epoch under way."""
        self.scene.pause()
        self._tell()

    def resume(self) -> None:
        """Go on after a pause."""
        self.scene.resume()
        self._tell()

    def stop(self) -> None:
        """End after the epoch under way, or out of a pause; starting the same again goes on from there."""
        self.scene.end()
        self._tell()

    def close(self) -> None:
        """Stop, and take the panel away."""
        self.stop()
        super().close()

    def _listen(self, name: str) -> None:
        """Listen to no clicks: nothing is chosen here."""

    def _on_screen(self) -> list[str]:
        looks = self.scene.looks
        full = {"losses": self.scene.rows, "accuracy": looks.scores or looks.ranks, "map": looks.map is not None}
        return [name for name in self.figures if full[name]]

    def _asked(self) -> None:
        """What stands in the form has changed."""
        with self._lock:
            if self.scene.phase == "idle" and self.form.asked:
                self.scene = Training(self.form.asked, self.every.value)
                self._follow(self.scene)
        self._tell()

    def _follow(self, training: Training) -> None:
        """Show how a training goes, unless another has taken its place."""
        with self._lock:
            if training is not self.scene:
                return
            self._tell()
            drawn = {"losses": len(training.rows), "accuracy": training.looks.epoch, "map": training.looks.epoch}
            for name, state in drawn.items():
                if self._shown.get(name) != (training, state):
                    self._shown[name] = training, state
                    self._show({name: training.figure(name)})
            if training.phase in ("paused", "over"):
                self._settle()

    def _tell(self) -> None:
        with self._lock:
            training, asked = self.scene, self.form.asked
            status = training.status()
            epoch, epochs, left = training.epoch, training.request.epochs, training.left()
            self.progress.max, self.progress.value = max(epochs, 1), epoch
            self.progress.bar_style = "danger" if training.failed else "warning" if training.paused else ""
            rest = f" · about {_duration(left)} left" if left is not None else ""
            self.counter.value = f"epoch {epoch:,} of {epochs:,}{rest}"
            start, pause, stop = self.buttons.values()
            yielding = training.active and not training.ending and training.phase != "measuring"
            same = yielding and not training.paused and training.request == asked
            start.disabled, pause.disabled, stop.disabled = asked is None or same, not yielding, not yielding
            pause.description, pause.icon = ("resume", "play") if training.paused else ("pause", "pause")
            fine = f'<div style="line-height:1.4">{html.escape(status)}</div>'  # last: what it says is seen by then
            self.message.value = complaint(status) if training.failed else fine + complaint(training.warning)
        self._changed()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
