"""The objectives lab: two objectives side by side, what each does to one anchor, and what becomes of the encoder."""

from typing import Any

import ipywidgets as ipw

from workbench.config import Part
from workbench.contrast.negatives.selection import SAMPLERS
from workbench.contrast.positives import POSITIVES
from workbench.datasets.loading import load_graph
from workbench.errors import UserError, node_number
from workbench.methods import METHODS
from workbench.objectives import OBJECTIVES
from workbench.widgets.home import preamble, text, written
from workbench.widgets.objective_scene import ObjectiveLab, Setting
from workbench.widgets.shell import Report, Shell, column, complaint, fit, headless, look, row, sentences, small

HINT = (
    "Green is pulled to the anchor, red is pushed away, blue too, though of the anchor's own class; the higher, the "
    "harder. Click a row to make it the anchor. Change anything, then press <b>train both</b>; another anchor needs no "
    "training."
)


def objectives_lab(
    data: Any = "digits-placed",
    first: str = "infonce",
    second: str = "dcl",
    *,
    tau: float = 0.2,
    negatives: str = "all",
    k: int = 64,
    positives: str = "self",
    epochs: int = 60,
    anchor: int = 0,
    seed: int = 0,
) -> "ObjectivesLab | Report":
    """Hold two objectives against each other: the force on each pair of an anchor, and the encoder that they train.

    Args:
        data: a graph of at most 5,000 nodes, or rows of an array, or its name; the first 600 rows are taken. GRACE
            learns on a graph, SimCLR on rows, with their quick presets and all items in a step.
        first, second: objectives, names of `objectives.names()`.
        tau: temperature. negatives, k: sampler and number of negatives. positives: their source.
        epochs, seed: of both trainings. anchor: whose forces are shown.

    Returns:
        The widget; with WORKBENCH_HEADLESS=1, after both trainings, a static report with the same pictures, `trained`
        and `forces()`.

    Raises:
        UserError: an unknown name, an anchor that isn't there, or data that the lab can't take.
    """
    data = load_graph(data) if isinstance(data, str) else data
    one, other = (Part.of(name, OBJECTIVES) for name in (first, second))
    chosen, pulled = Part.of(negatives, SAMPLERS), Part.of(positives, POSITIVES)
    setting = Setting(one, other, tau, chosen, k, pulled, epochs, seed)
    scene = ObjectiveLab(data, setting, anchor)
    METHODS.get(scene.method).Config(**scene.parameters(setting.first))  # refuses what is out of range
    if headless():
        scene.train()
        return Report(scene)
    return ObjectivesLab(scene)


class ObjectivesLab(Shell):
    """The widget.

    Attributes:
        first, second, tau, negatives, k, positives, epochs, anchor: the controls. start: the button that trains; before
            that, the forces on the untrained encoder are shown.
        told: the table. message: what is wrong, as HTML.
    """

    scene: ObjectiveLab

    def __init__(self, scene: ObjectiveLab):
        super().__init__(scene)
        s = scene.setting
        names = OBJECTIVES.names()
        self.first = ipw.Dropdown(options=names, value=s.first.name, **look(40, "200px", "one"))
        self.second = ipw.Dropdown(options=names, value=s.second.name, **look(50, "210px", "other"))
        self.tau = ipw.FloatText(value=s.tau, step=0.05, **look(90, "170px", "temperature"))
        self.negatives = ipw.Dropdown(
            options=SAMPLERS.names(), value=s.negatives.name, **look(70, "230px", "negatives")
        )
        self.k = ipw.IntText(value=s.k, **look(20, "100px", "k"))
        self.positives = ipw.Dropdown(
            options=POSITIVES.names(), value=s.positives.name, **look(65, "200px", "positives")
        )
        self.epochs = ipw.IntText(value=s.epochs, **look(55, "130px", "epochs"))
        self.anchor = ipw.IntText(value=scene.anchor, **look(55, "140px", "anchor"))
        self.start = ipw.Button(description="train both", icon="play", button_style="primary")
        self.message, self.told = ipw.HTML(), ipw.HTML()
        names_of = ("first", "second", "tau", "negatives", "k", "positives", "epochs", "anchor", "start", "told")
        self._name("objectives", *names_of, "message", "coming")
        self._pictures = ipw.VBox()
        self.children = [
            row(self.first, self.second, self.tau, self.positives),
            row(self.negatives, self.k, self.epochs, self.anchor, self.start, self.undo),
            ipw.HTML(small(HINT)),
            self.message,
            self.coming,
            fit(),
            self._pictures,
            self.told,
        ]
        self.start.on_click(lambda _: self.train())
        turned = (self.first, self.second, self.tau, self.negatives, self.k, self.positives, self.epochs)
        self.undo.keep(*turned, self.anchor)
        self._observe(self._move, self.anchor)
        self._observe(self._stale, *turned)
        self._later("the forces before any training", scene.begin, self._draw)

    def asked(self) -> Setting:
        """Return what stands on the controls, checked; a UserError says what is wrong."""
        s = self.scene.setting
        return Setting(
            self._part(s.first, self.first.value, OBJECTIVES),
            self._part(s.second, self.second.value, OBJECTIVES),
            self.tau.value,
            self._part(s.negatives, self.negatives.value, SAMPLERS),
            self.k.value,
            self._part(s.positives, self.positives.value, POSITIVES),
            self.epochs.value,
            s.seed,
        )

    @staticmethod
    def _part(before: Part, name: str, registry: Any) -> Part:
        """Return a part by its name, with the options that it had."""
        return before if before.name == name else Part.of(name, registry)

    def train(self) -> None:
        """Train under both objectives beside the kernel, as the controls stand, and show what came of it."""
        try:
            asked = self.asked()
            tried = ObjectiveLab(self.scene.data, asked, self.scene.anchor)
            METHODS.get(tried.method).Config(**tried.parameters(asked.first))
        except UserError as error:
            self.message.value = complaint(str(error))
            return
        self.message.value = ""
        self._later(f"both trainings of {asked.epochs} epochs", tried.train, lambda: self._take(tried))

    def _take(self, tried: ObjectiveLab) -> None:
        tried.anchor = self.scene.anchor  # another may have been chosen meanwhile
        self.scene = tried
        self._draw()

    def choose(self, node: int) -> None:
        """Show the forces on another anchor."""
        self.anchor.value = node

    def _move(self) -> None:
        try:
            self.scene.anchor = node_number(self.anchor.value, self.scene.items)
        except UserError as error:
            self.message.value = complaint(sentences(error, f"Anchor {self.scene.anchor} is kept"))
            return
        self.message.value = ""
        self._draw()

    def _draw(self) -> None:
        drawn = self.scene.figures()
        self._show(drawn)
        self._pictures.children = [column("1 1 auto", self.figures[name]) for name in drawn]
        self.told.value = self.scene.told()

    def _stale(self) -> None:
        """Say that what is shown is of other settings."""
        if self.scene.trained and self._awaited is None:
            self.coming.value = small("What is shown is of the settings before; <b>train both</b> makes it anew.")

    def _on_screen(self) -> list[str]:
        return list(self.figures) if self.scene.trained else []

    def call(self) -> str:
        """Return the Python that makes this lab as it stands."""
        s, data = self.scene.setting, self.scene.data
        named = {} if data.get("name") else {"data": data}
        first = text(data.name) if data.get("name") else "data"
        state = {"first": s.first.name, "second": s.second.name, "tau": s.tau, "negatives": s.negatives.name, "k": s.k}
        state |= {"positives": s.positives.name, "epochs": s.epochs, "anchor": self.scene.anchor, "seed": s.seed}
        return preamble(**named) + written(objectives_lab, first, **state)
