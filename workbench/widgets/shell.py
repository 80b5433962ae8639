"""A scene on the screen, with controls around it, and its static twin for when nobody is there to click."""

import html
import os
from collections.abc import Mapping
from typing import Any, Protocol

import ipywidgets as ipw
import plotly.graph_objects as go
from IPython.display import HTML, display

from workbench.plots import style
from workbench.widgets.live import Controls, Fit, live, update

HEADLESS = "WORKBENCH_HEADLESS"


def headless() -> bool:
    """Return whether nobody is there to click, as when a notebook is executed by a command."""
    return os.environ.get(HEADLESS) == "1"


class Scene(Protocol):
    """What a widget shows: it computes and draws, and knows of no screen.

    Attributes:
        widget: what is shown, e.g. "rule explorer".
    """

    widget: str

    def figures(self) -> dict[str, go.Figure]:
        """Draw the figures of the widget, by name."""

    def page(self, figures: dict[str, go.Figure]) -> list[str | go.Figure]:
        """Return HTML text and figures as they stand below each other where nobody is there to click."""


class Report:
    """The static twin of a widget: its scene without controls.

    What a script may ask of the scene, it may ask of the report.

    Attributes:
        scene: what is shown. figures: its figures by name.
    """

    def __init__(self, scene: Any):
        self.scene, self.figures = scene, scene.figures()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what Python and IPython look for
            raise AttributeError(name)
        return getattr(self.scene, name)

    def _ipython_display_(self) -> None:
        told = f"<p>The controls of the {self.scene.widget} appear when this cell is run in JupyterLab.</p>"
        for part in (told, *self.scene.page(self.figures)):
            display(HTML(part) if isinstance(part, str) else part)


class Shell(Controls, ipw.VBox):
    """A widget around figures that change and that are clicked on; the base class of those with a `choose`.

    Attributes:
        figures: those that are shown, by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.figures: dict[str, go.FigureWidget] = {}

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget; a figure tells a new screen no changes but those that it is asked for at this moment."""
        for figure in self.figures.values():
            figure._repr_mimebundle_()
        return super()._repr_mimebundle_(**options)

    def _show(self, drawn: Mapping[str, go.Figure]) -> None:
        """Bring figures that are shown up to others, and listen to those whose traces were made anew."""
        for name, figure in drawn.items():
            if name not in self.figures:
                self.figures[name] = live(figure)
                self._listen(name)
            elif update(self.figures[name], figure):
                self._listen(name)

    def _listen(self, name: str) -> None:
        """Listen to the clicks on the nodes of a figure."""
        for trace in self.figures[name].data:
            if trace.customdata is not None:
                trace.on_click(self._clicked)

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds:
            self.choose(int(trace.customdata[points.point_inds[0]]))

    def choose(self, node: int) -> None:
        """Choose a node, as a click on it does."""
        raise NotImplementedError


def narrow(pixels: int) -> dict[str, str]:
    """Return the style of a control whose description takes so much room."""
    return {"description_width": f"{pixels}px"}


def wide(flex: str, **more: str) -> ipw.Layout:
    """Return the layout of what takes the room that there is, e.g. "1 1 240px": grow, shrink and least width."""
    return ipw.Layout(width="auto", flex=flex, min_width="0", **more)


def row(*parts: ipw.Widget, align: str = "center") -> ipw.HBox:
    """Return widgets beside one another, below where there is too little room."""
    return ipw.HBox(parts, layout=ipw.Layout(flex_flow="row wrap", align_items=align))


def fit() -> "Fit":
    """Return what tells the figures beside it how much room there is."""
    return Fit(layout=ipw.Layout(width="100%"))


def complaint(text: str, indent: int = 0, more: str = "") -> str:
    """Return what is wrong as HTML, with a bar to its left; nothing for nothing. `more` is HTML below it."""
    bar = f"border-left:4px solid {style.COLOURS[1]};padding:2px 10px;margin-left:{indent}px;line-height:1.5"
    return f'<div style="{bar}">{html.escape(text)}{more}</div>' if text else ""


def small(text: str) -> str:
    """Return a remark, which is HTML, in small letters."""
    return f'<div style="opacity:.75;font-size:12px;line-height:1.4">{text}</div>'
