"""What every widget is made of: figures that change on the screen, and a report for when nobody is there to click."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import anywidget
import numpy as np
import plotly.graph_objects as go
from IPython.display import HTML, display

HEADLESS = "WORKBENCH_HEADLESS"


def headless() -> bool:
    """Return whether nobody is there to click, as when a notebook is executed by a command."""
    return os.environ.get(HEADLESS) == "1"


class Report:
    """The static twin of a widget: the same pictures without its controls.

    Args:
        widget: what it stands for, e.g. "rule explorer".
        parts: HTML text and figures from top to bottom.
    """

    def __init__(self, widget: str, parts: Sequence[str | go.Figure]):
        self._widget, self._parts = widget, list(parts)

    def _ipython_display_(self) -> None:
        told = f"<p>The controls of the {self._widget} appear when this cell is run in JupyterLab.</p>"
        for part in (told, *self._parts):
            display(HTML(part) if isinstance(part, str) else part)


class Controls:
    """Mixed into a widget whose controls set one another: what is set quietly runs no handler."""

    _quiet = False

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Set controls without their handlers being run."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _unless_quiet(self, act: Callable[[], object]) -> None:
        if not self._quiet:
            act()


class Fit(anywidget.AnyWidget):
    """Nothing to see: it tells the figures beside it when there is more or less room.

    A figure is drawn before it stands on the page, at a width that plotly takes for granted, and then waits for the
    window to change its size; so do figures in a section that was closed.
    """

    _esm = """
    export default {
      render({ el }) {
        const fit = () => requestAnimationFrame(() => window.dispatchEvent(new Event("resize")));
        const seen = new ResizeObserver(fit);
        seen.observe(el);
        document.addEventListener("plotlywidget-after-render", fit);
        return () => { seen.disconnect(); document.removeEventListener("plotlywidget-after-render", fit); };
      },
    };
    """


def live(figure: go.Figure) -> go.FigureWidget:
    """Make a figure that can be changed on the screen and takes the width that there is."""
    live = go.FigureWidget(figure)
    unused = ["select2d", "lasso2d", "autoScale2d", "zoom2d", "pan2d"]
    live._config = {**live._config, "responsive": True, "displaylogo": False, "modeBarButtonsToRemove": unused}
    return live


def update(shown: go.FigureWidget, figure: go.Figure) -> bool:
    """Bring a figure that is shown up to another one; return whether its traces had to be made anew."""
    same = [(t.type, t.name) for t in shown.data] == [(t.type, t.name) for t in figure.data] and len(shown.data) > 0
    with shown.batch_update():
        pairs = [(shown.layout, figure.layout), *(zip(shown.data, figure.data, strict=True) if same else ())]
        for old, new in pairs:
            # Only what differs is set: plotly checks and sends each value, which takes a second for a whole figure.
            for path, value in _changes(old.to_plotly_json(), new.to_plotly_json()):
                old[path] = value
    if not same:
        shown.data = ()
        shown.add_traces(figure.data)
    return not same


def _changes(old: Any, new: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path, e.g. "marker.color", and the new value of each single property in which two figures differ.

    Never a whole "marker": the screen takes plain values out of a figure as its own, and plotly refuses a marker beside
    the colours of another trace's as a contradiction.
    """
    for key, value in new.items():
        here = old.get(key) if isinstance(old, dict) else None
        if isinstance(value, dict):
            yield from _changes(here, value, f"{path}{key}.")
        elif not np.array_equal(np.asarray(here), value) if np.ndarray in (type(here), type(value)) else here != value:
            yield f"{path}{key}", value


def span(data: np.ndarray, value: float) -> tuple[float, float, float]:
    """Return the ends and the step of a slider over what a threshold is compared with."""
    # A few far nodes would make the slider too coarse for all others.
    low, high = (float(end) for end in np.quantile(data, [0, 0.95])) if data.size else (value, value)
    low, high = min(low, value), max(high, value)
    if low == high:
        low, high = low - 1, high + 1
    if value == round(value) and (data == np.round(data)).all():
        return float(np.floor(low)), float(np.ceil(high)), 1.0
    places = int(-np.floor(np.log10((high - low) / 200)))
    step = 10.0**-places
    return round(np.floor(low / step) * step, places), round(np.ceil(high / step) * step, places), round(step, places)


def digits(step: float) -> int:
    """Return how many digits after the point a power of ten has."""
    return round(-np.log10(step))
