"""The first look: pick data and a method, see it train, and open the result under the explorer or the microscope."""

from collections.abc import Callable
from typing import Any

import ipywidgets as ipw
from torch_geometric.data import Data

from workbench.training.run import Run
from workbench.widgets.explorer import embedding_explorer
from workbench.widgets.negatives import microscope
from workbench.widgets.shell import Report, complaint, row
from workbench.widgets.training import TrainingPanel, training_panel

UNTRAINED = (
    "There is no result to look into yet: press start above and wait for the end, or press stop to end it early."
)


def first_look(
    graph: Data | str = "pydocs", method: str = "grace", preset: str | None = None, seed: int = 0
) -> "FirstLook | Report":
    """Pick data and a method, watch the training, then explore the embedding and the negatives of its nodes.

    Args:
        graph, method, preset, seed: what it opens on, as for `training_panel`.

    Returns:
        The widget, or with WORKBENCH_HEADLESS=1 the static report of the training panel.

    Raises:
        UserError: as for `training_panel`.
    """
    panel = training_panel(graph, method, preset, seed)
    return panel if isinstance(panel, Report) else FirstLook(panel)


class FirstLook(ipw.VBox):
    """The widget.

    Attributes:
        panel: the training panel. buttons: "explorer" and "microscope", which open below what the panel trained last.
        opened: what was opened, None before. message: what is wrong, as HTML.
    """

    def __init__(self, panel: TrainingPanel):
        self.panel, self.opened, self.message = panel, None, ipw.HTML()
        opens: dict[str, tuple[str, Callable[[Run, Data], Any]]] = {
            "explorer": ("Explore the embedding", embedding_explorer),
            "microscope": ("Whom is a node pushed away from?", lambda run, data: microscope(data, embedding=run)),
        }
        self.buttons = {}
        for name, (words, make) in opens.items():
            button = ipw.Button(description=words, icon="search", layout=ipw.Layout(width="auto"))
            button.add_class(f"first-{name}")
            button.on_click(lambda _, make=make: self._open(make))
            self.buttons[name] = button
        self._below = ipw.VBox()
        super().__init__([panel, row(*self.buttons.values()), self.message, self._below])

    @property
    def run(self) -> Run | None:
        """The run of the panel."""
        return self.panel.run

    def _open(self, make: Callable[[Run, Data], Any]) -> None:
        """Open a widget on what was trained last, in the place of the one opened before."""
        run = self.panel.run
        self.message.value = "" if run is not None else complaint(UNTRAINED)
        if run is not None:
            for before in self._below.children:
                before.close()
            self.opened = make(run, self.panel.graph)
            self._below.children = [self.opened]
