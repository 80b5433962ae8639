"""What every widget is made of: figures that change on the screen, and controls that set one another."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

import anywidget
import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from traitlets import Bool, HasTraits, Instance, Unicode, default, observe

from workbench import plots
from workbench.plots import style

CHANGES = [name for name in go.FigureWidget.class_trait_names() if name.startswith("_py2js_")]  # of the kernel's


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

    def _observe(self, act: Callable[[], object], *controls: ipw.Widget, trait: str = "value") -> None:
        """Run a handler whenever a trait of one of some controls is changed, unless it is set quietly."""

        def changed(_: Any) -> None:
            if not self._quiet:
                act()
                self._changed()

        for control in controls:
            control.observe(changed, trait)

    def _changed(self) -> None:
        """What was shown may have changed."""

    def _name(self, widget: str, *names: str) -> None:
        """Give controls, which are attributes, class names on the page, e.g. "explorer-rule"."""
        for name in names:
            getattr(self, name).add_class(f"{widget}-{name}")


class _Page:
    """The page that widgets are shown on: dark or narrow, its plotly, and the figures that are dressed for it."""

    def __init__(self) -> None:
        self.dark = self.narrow = False
        self.plotly: Plotly | None = None
        self.figures: WeakValueDictionary[int, go.FigureWidget] = WeakValueDictionary()

    def dressed(self, figure: go.Figure) -> go.Figure:
        """Return a figure as it is shown on the page."""
        figure = style.narrow(figure) if self.narrow else figure
        return plots.dark(figure) if self.dark else figure


_page = _Page()


class Heard(HasTraits):
    """Mixed into a widget with code of its own, which then hears the kernel however long that code took to start."""

    own_id = Unicode().tag(sync=True)

    @default("own_id")
    def _before_it_is_opened(self) -> str:
        self._model_id = uuid4().hex  # ipywidgets takes it for the id of the model
        return self._model_id


def script(*names: str) -> str:
    """Return the code that a widget runs on the page, from files of this folder."""
    return "".join(Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8") for name in names)


class Fit(anywidget.AnyWidget):
    """Nothing to see: it tells the figures beside it how much room there is, and if the page is `dark` or `narrow`.

    A figure is drawn before it stands on the page, at a width that plotly takes for granted, and then waits for the
    window to change its size; so do figures in a section that was closed. The page is JupyterLab's, which says whether
    its theme is light; of any other the browser is asked. All figures made by `live` follow it; those of other cells
    hear no kernel, and are turned by their style.
    """

    _esm = script("fit")
    _css = """
    [data-jp-theme-light="false"] .jp-RenderedPlotly .plot-container { filter: invert(0.93) hue-rotate(180deg); }
    """
    dark, narrow = Bool().tag(sync=True), Bool().tag(sync=True)

    @default("dark")
    def _as_before(self) -> bool:
        return _page.dark

    @default("narrow")
    def _as_wide_as_before(self) -> bool:
        return _page.narrow

    @observe("dark", "narrow")
    def _follow(self, _: Any) -> None:
        """Change the clothes of the figures that are shown, and nothing else: a hand may have zoomed or selected."""
        if (_page.dark, _page.narrow) == (self.dark, self.narrow):
            return
        shown = [(figure, _page.dressed(figure._light)) for figure in list(_page.figures.values())]
        _page.dark, _page.narrow = self.dark, self.narrow
        for figure, before in shown:
            with figure.batch_update():
                now = _page.dressed(figure._light)
                _set((part.layout, *part.data) for part in (figure, before, now))
                for path, _value in _changes(now.layout.to_plotly_json(), before.layout.to_plotly_json()):
                    if now.layout[path] is None:  # it came with the clothes that are taken off
                        figure.layout[path] = None
        self.send({"kind": "fit"})  # to the width that there is, which what was changed last may not know of


class Plotly(anywidget.AnyWidget):
    """The code of plotly, of which a page needs one: a figure of plotly's own brings all five megabytes again.

    It is text here, because anywidget gives the code of a widget two seconds to start and then leaves it empty.
    """

    _esm = "export default {};"
    code = Unicode().tag(sync=True)

    @default("code")
    def _read(self) -> str:
        return str(go.FigureWidget._esm)


class Figure(Heard, go.FigureWidget):
    """A figure that waits for the page's plotly; what the kernel changes meanwhile is kept and done then.

    Where it stays empty it is drawn again by itself, and at last says so, with a button. A screen says "hello" when it
    is ready to listen, and is sent the figure as it is now if it was changed since it was kept.
    """

    _esm = script("heard", "figure")
    _css = """
    .workbench-figure-says { padding: 12px; font-size: 13px; }
    .workbench-figure-says button { font: inherit; padding: 1px 10px; cursor: pointer; }
    """
    _behind = False  # whether it was changed since it was kept
    plotly = Instance(Plotly).tag(sync=True, **ipw.widget_serialization)

    @observe(*CHANGES)
    def _told(self, change: Any) -> None:
        self._behind = self._behind or change["new"] is not None

    def greeted(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Answer a screen that is ready, or that asks for the figure anew."""
        if content.get("kind") == "anew" or (content.get("kind") == "hello" and self._behind):
            self.settle()
            self.send_state(["_widget_layout", "_widget_data"])
            self.send({"kind": "anew"})

    def settle(self) -> None:
        """Keep the figure as it is for a screen that opens later: it is told no changes but what was kept.

        plotly does this when it shows a figure, after it has imported JupyterLab for a look at its version.
        """
        self._widget_layout, self._widget_data = deepcopy(self._layout_obj._props), deepcopy(self._data)
        self._behind = False

    @default("plotly")
    def _of_the_page(self) -> Plotly:
        if _page.plotly is None or _page.plotly.comm is None:  # it was closed
            _page.plotly = Plotly()
        return _page.plotly


def live(figure: go.Figure) -> Figure:
    """Make a figure that can be changed on the screen, takes the width that there is and is dark where the page is."""
    live = Figure(_page.dressed(figure))
    live.layout.meta = {"workbench": True}
    unused = ["select2d", "lasso2d", "autoScale2d", "zoom2d", "pan2d"]
    live._config = {**live._config, **plots.CONFIG, "modeBarButtonsToRemove": unused}
    live.on_msg(live.greeted)
    live._light, _page.figures[id(live)] = figure, live
    return live


def update(shown: go.FigureWidget, figure: go.Figure) -> bool:
    """Bring a figure that is shown up to another one; return whether its traces had to be made anew."""
    shown._light, figure = figure, _page.dressed(figure)
    same = _kinds(shown) == _kinds(figure) and len(shown.data) > 0
    there, wanted = map(_axes, (shown, figure))
    for axis in there ^ wanted:  # of panels that come and go
        shown.layout[axis] = figure.layout[axis] if axis in wanted else None
    with shown.batch_update():
        _set((part.layout, *(part.data if same else ())) for part in (shown, shown, figure))
    if not same:
        shown.data = ()
        shown.add_traces(figure.data)
    return not same


def printable(shown: go.FigureWidget) -> go.Figure:
    """Return a copy of a figure that is shown, on light paper, with the axes as a hand has zoomed them."""
    paper = go.Figure(shown._light)
    for axis in _axes(paper):
        ends = shown.layout[axis].range
        if ends is not None and shown.layout[axis].autorange is not True:
            paper.layout[axis].update(range=ends, autorange=False)
    return paper


def zoom_out(figure: go.Figure) -> None:
    """Show the whole of a map, wherever code or a hand had zoomed to."""
    for automatic in (False, True):  # after a zoom by hand plotly still takes the axes for automatic, and sends nothing
        figure.update_layout(xaxis_autorange=automatic, yaxis_autorange=automatic)


def _axes(figure: go.Figure) -> set[str]:
    return {name for name in figure.layout.to_plotly_json() if name[1:].startswith("axis")}


def _set(figures: Iterable[Iterable[Any]]) -> None:
    """Set in the parts of a figure what differs between those of a second and those of a third.

    Nothing else is: plotly checks and sends each value, which takes a second for a whole figure.
    """
    for part, before, after in zip(*figures, strict=False):  # traces that a hand added are not known here
        for path, value in _changes(before.to_plotly_json(), after.to_plotly_json()):
            part[path] = value


def _kinds(figure: go.Figure) -> list[tuple[str, str]]:
    """Return type and name of each trace; one without a name has the one that the screen gives it."""
    return [(trace.type, trace.name or f"trace {place}") for place, trace in enumerate(figure.data)]


def _changes(old: Any, new: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path, e.g. "marker.color", and the new value of each single property in which two figures differ.

    Never a whole "marker": the screen takes plain values out of a figure as its own, and plotly refuses a marker beside
    the colours of another trace's as a contradiction.
    """
    for key, value in new.items():
        here = old.get(key) if isinstance(old, dict) else None
        if isinstance(value, dict):
            yield from _changes(here, value, f"{path}{key}.")
        elif not _same(here, value):
            yield f"{path}{key}", value


def _same(first: Any, second: Any) -> bool:
    if np.ndarray not in (type(first), type(second)):
        return bool(first == second)
    first, second = np.asarray(first), np.asarray(second)
    return np.array_equal(first, second, equal_nan=first.dtype.kind == second.dtype.kind == "f")  # lines break at nan
