"""What every widget is made of: figures that change on the screen, and controls that set one another."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from importlib import import_module
from types import ModuleType
from typing import Any
from weakref import WeakValueDictionary

import anywidget
import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from traitlets import Bool, Instance, Unicode, default, observe

from workbench import plots


class _WhenAsked(ModuleType):
    """A module that is imported when something in it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:  # it still stands in the way of the real one
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


# With its figures plotly imports nbformat, for which 38 grammars are compiled in two seconds; it only ever asks for the
# version, where it shows a figure by itself.
if "nbformat" not in sys.modules:
    sys.modules["nbformat"] = _WhenAsked("nbformat")
    _ = go.FigureWidget
    del sys.modules["nbformat"]


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
    """The page that widgets are shown on: whether it is dark, its plotly, and the figures that are dressed for it."""

    def __init__(self) -> None:
        self.dark = False
        self.plotly: Plotly | None = None
        self.figures: WeakValueDictionary[int, go.FigureWidget] = WeakValueDictionary()

    def dressed(self, figure: go.Figure) -> go.Figure:
        """Return a figure as it is shown on the page."""
        return plots.dark(figure) if self.dark else figure


_page = _Page()


class Fit(anywidget.AnyWidget):
    """Nothing to see: it tells the figures beside it how much room there is, and whether the page is `dark`.

    A figure is drawn before it stands on the page, at a width that plotly takes for granted, and then waits for the
    window to change its size; so do figures in a section that was closed. The page is JupyterLab's, which says whether
    its theme is light; of any other the browser is asked. All figures made by `live` follow it.
    """

    _esm = """
    export default {
      render({ model, el }) {
        const ending = new AbortController(), { signal } = ending;
        const fit = () => requestAnimationFrame(() => window.dispatchEvent(new Event("resize")));
        const room = new ResizeObserver(fit);
        room.observe(el);

        // plotly tells the kernel of each point the mouse passes over, in the place where it tells of clicks and
        // selections, so that one that comes while the kernel is busy would be lost under the next. None is needed.
        const hush = (plot) => plot?.layout?.meta?.workbench
          && ["plotly_hover", "plotly_unhover"].forEach((name) => plot.removeAllListeners(name));
        document.querySelectorAll(".js-plotly-plot").forEach(hush);
        const drawn = ({ detail }) => { fit(); hush(detail.element); };
        document.addEventListener("plotlywidget-after-render", drawn, { signal });

        const system = window.matchMedia("(prefers-color-scheme: dark)");
        const look = () => {
          const light = document.body.dataset.jpThemeLight;
          model.set("dark", light ? light === "false" : system.matches);
          model.save_changes();
        };
        const theme = new MutationObserver(look);
        theme.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
        system.addEventListener("change", look, { signal });
        look();
        return () => {
          room.disconnect();
          theme.disconnect();
          ending.abort();
        };
      },
    };
    """
    dark = Bool().tag(sync=True)

    @default("dark")
    def _as_before(self) -> bool:
        return _page.dark

    @observe("dark")
    def _follow(self, _: Any) -> None:
        """Change the colours of the figures that are shown, and nothing else: a hand may have zoomed or selected."""
        if _page.dark == self.dark:
            return
        shown = [(figure, _page.dressed(figure._light)) for figure in list(_page.figures.values())]
        _page.dark = self.dark
        for figure, before in shown:
            with figure.batch_update():
                _set((part.layout, *part.data) for part in (figure, before, _page.dressed(figure._light)))


class Plotly(anywidget.AnyWidget):
    """The code of plotly, of which a page needs one: a figure of plotly's own brings all five megabytes again.

    It is text here, because anywidget gives the code of a widget two seconds to start and then leaves it empty.
    """

    _esm = "export default {};"
    code = Unicode().tag(sync=True)

    @default("code")
    def _read(self) -> str:
        return str(go.FigureWidget._esm)


class Figure(go.FigureWidget):
    """A figure that waits for the page's plotly; what the kernel changes meanwhile is kept and done then."""

    _esm = """
    const KINDS = ["addTraces", "deleteTraces", "moveTraces", "restyle", "relayout", "update", "animate",
                   "removeLayoutProps", "removeTraceProps"];
    const NAMES = KINDS.map((kind) => `_py2js_${kind}`);
    const loaded = (globalThis.workbenchPlotly ??= {});

    const load = async (model, id) => {
      const plotly = await model.widget_manager.get_model(id);
      const address = URL.createObjectURL(new Blob([plotly.get("code")], { type: "text/javascript" }));
      return (await import(address)).default;
    };

    export default () => {
      let drawn, waiting = true;
      return {
        initialize({ model }) {
          const missed = [], id = model.get("plotly").replace("IPY_MODEL_", "");
          const keep = (name) => waiting && model.get(name) && missed.push([name, model.get(name)]);
          NAMES.forEach((name) => model.on(`change:${name}`, () => keep(name)));
          drawn = (loaded[id] ??= load(model, id)).then((make) => {
            const figure = make();
            waiting = false;
            figure.initialize({ model });
            for (const [name, value] of missed) {
              model.set(name, value);
              model.set(name, null);
            }
            return figure;
          });
          drawn.catch(() => delete loaded[id]);
        },
        async render(context) {
          try {
            return (await drawn).render(context);
          } catch (error) {
            context.el.textContent = `This figure could not be drawn (${error.message}). Run its cell again.`;
          }
        },
      };
    };
    """
    plotly = Instance(Plotly).tag(sync=True, **ipw.widget_serialization)

    def settle(self) -> None:
        """Keep the figure as it is for a screen that opens later: it is told no changes but what was kept.

        plotly does this when it shows a figure, after it has imported JupyterLab for a look at its version.
        """
        self._widget_layout, self._widget_data = deepcopy(self._layout_obj._props), deepcopy(self._data)

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
