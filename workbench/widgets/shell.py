"""A scene on the screen, with controls around it, and its static twin for when nobody is there to click."""

import asyncio
import html
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
import torch
from IPython.display import HTML, display
from torch_geometric.data import Data
from traitlets import validate

from workbench.errors import UserError
from workbench.evaluation.neighbourhoods import found_node
from workbench.evaluation.projection import Map
from workbench.plots import style
from workbench.widgets.brush import Brush, Ids
from workbench.widgets.home import TakeHome
from workbench.widgets.live import Controls, Figure, Fit, live, printable, update, zoom_out
from workbench.widgets.undo import Undo

HEADLESS = "WORKBENCH_HEADLESS"


def headless() -> bool:
    """Return whether nobody is there to click, as when a notebook is executed by a command."""
    return os.environ.get(HEADLESS) == "1"


@cache
def _beside() -> ThreadPoolExecutor:
    """Return the thread beside the kernel's own in which widgets compute, one thing after another.

    It takes as many cores as the kernel's own: bits may depend on the number.
    """
    return ThreadPoolExecutor(1, "widgets", partial(torch.set_num_threads, torch.get_num_threads()))


class Report:
    """The static twin of a widget: its scene without controls. A script may ask it what it may ask the scene.

    A scene computes and draws, and knows of no screen: `widget` is what shows it, `figures()` are its figures by name,
    and `page(figures)` is HTML text and figures as they stand below each other.
    """

    def __init__(self, scene: Any):
        self.scene, self.figures = scene, scene.figures()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what Python and IPython look for
            raise AttributeError(name)
        return getattr(self.scene, name)

    def _ipython_display_(self) -> None:
        hint = f"<p>The controls of the {self.scene.widget} appear when this cell is run in JupyterLab.</p>"
        for part in (hint, *self.scene.page(self.figures)):
            display(HTML(part) if isinstance(part, str) else part)


class Shell(Controls, ipw.VBox):
    """A widget around figures that change and that are clicked on; the base class of those with a `choose`.

    Its controls are attributes, so that a script can set what a hand would; so are its figures, and what the scene has.

    Attributes:
        scene: what is shown. figures: those that are shown, by name. message: what is wrong, as HTML.
        coming: what is being computed beside the kernel and will be shown, or what has come since, as HTML.
        undo: the button that takes back what was changed on the controls; see there how a widget offers it.
        home: the lines below all other children that show `call()` and offer the figures for a paper.
    """

    message: ipw.HTML

    def __init__(self, scene: Any) -> None:
        file = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(self).__name__).lower()  # e.g. "rule-explorer"
        self.home, self._telling = TakeHome(file, self._papers), False
        super().__init__()
        self.scene = scene
        self.figures: dict[str, Figure] = {}
        self._brushes: dict[str, Brush] = {}
        self.coming = ipw.HTML(layout=ipw.Layout(min_height="22px"))  # of a line, so that nothing below moves
        self.undo = Undo(self)
        self._awaited: Future[Any] | None = None
        self._shows: Callable[[], object] = lambda: None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("scene", "figures"):
            raise AttributeError(name)
        return self.figures[name] if name in self.figures else getattr(self.scene, name)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget, with its figures as they are."""
        self._settle()
        self._tell_call()
        return super()._repr_mimebundle_(**options)

    @validate("children")
    def _with_home(self, proposed: Any) -> Any:
        return (*(child for child in proposed["value"] if child is not self.home), self.home)

    def call(self) -> str:
        """Return the Python that makes this widget as it stands, see `home.written`; "" where nothing was written."""
        return ""

    def _changed(self) -> None:
        """Show the call of what is shown now, once the handler that is running has ended."""
        if not self.children or self._telling:  # it is being made
            return
        try:
            asyncio.get_running_loop().call_soon(self._tell_call)
            self._telling = True
        except RuntimeError:  # a script, or a thread
            self._tell_call()

    def _tell_call(self) -> None:
        self._telling = False
        self.home.call, self.home.figures = self.call(), self._on_screen()

    def _papers(self) -> dict[str, go.Figure]:
        """Return the figures on light paper, zoomed as they are on the screen."""
        return {name: printable(self.figures[name]) for name in self._on_screen()}

    def _on_screen(self) -> list[str]:
        """Return the names of the figures that show something now."""
        return list(self.figures)

    def _settle(self) -> None:
        """Keep the figures as they are for a screen that opens later: they tell it no changes but what they kept."""
        for figure in self.figures.values():
            figure.settle()

    def _later(self, what: str, compute: Callable[[], object], show: Callable[[], object]) -> None:
        """Compute beside the kernel, then show, in the kernel's own thread, unless something else is asked meanwhile.

        The kernel shows it when it is free; a script, in which no loop of events runs, by `wait`.
        """
        self._forget()
        self._awaited, self._shows = _beside().submit(compute), show
        self.coming.value = small(f"Computing {html.escape(what)} …")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._awaited.add_done_callback(lambda asked: loop.call_soon_threadsafe(self._arrived, asked))

    def _arrived(self, asked: "Future[Any]") -> None:
        """Show what was computed, or say why it could not be; nothing if something else was asked for since."""
        if asked is not self._awaited:
            return
        self._awaited, self.coming.value = None, ""
        try:
            asked.result()
        except Exception as error:
            words = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            self.coming.value = complaint(f"It could not be computed: {words}")
        else:
            self._shows()
        self._settle()

    def _replaced(self, first: Map, drawn: Map, shown: Figure) -> None:
        """Say that a map has taken the place of a first picture, unless its places are the same."""
        if not np.array_equal(first.points, drawn.points):
            zoom_out(shown)  # where a hand zoomed to, others stand now
            told = f"{drawn.method.upper()} has taken the place of the first picture by PCA."
            same = drawn.method == first.method
            self.coming.value = small("PCA by all nodes has taken the place of PCA by a sample." if same else told)

    def _forget(self) -> None:
        """Show nothing any more of what was asked for."""
        if self._awaited is not None:
            self._awaited.cancel()
        self._awaited, self.coming.value = None, ""

    def wait(self) -> None:
        """Wait until what is being computed beside the kernel is shown."""
        while self._awaited is not None:
            asked = self._awaited
            futures.wait([asked])
            self._arrived(asked)

    def close(self) -> None:
        """Take the widget away."""
        self._forget()
        super().close()

    def _show(self, drawn: Mapping[str, go.Figure]) -> None:
        """Bring figures that are shown up to others, and listen to those whose traces were made anew."""
        for name, figure in drawn.items():
            if name not in self.figures:
                self.figures[name] = live(figure)
                self._listen(name)
            elif update(self.figures[name], figure):
                self._listen(name)
        self._changed()

    def _listen(self, name: str) -> None:
        """Listen to what a hand does to the nodes of a figure."""
        for trace in self.figures[name].data:
            if trace.customdata is not None:
                trace.on_click(self._clicked)
        if name in self._brushes:
            self._brushes[name].listen()

    def _brush(self, act: Callable[[Ids], object], *names: str) -> None:
        """Call `act` with the nodes of each lasso or box on some figures."""
        for name in names:
            self._brushes[name] = Brush(self.figures[name], act)
            self._brushes[name].listen()

    def _mark(self, nodes: Ids) -> None:
        """Set nodes off from the others on the figures that are brushed."""
        for brush in self._brushes.values():
            brush.mark(nodes)
        self._changed()

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds:
            self.choose(int(trace.customdata[points.point_inds[0]]))

    def choose(self, node: int) -> None:
        """Choose a node, as a click on it does."""
        raise NotImplementedError

    def _typed_in(self, text: str, graph: Data, act: Callable[[int], object], kept: str = "") -> None:
        """Act on the node of a graph that a text means, or say why it means none and what is kept."""
        try:
            node = found_node(text, graph.get("node_names"), int(graph.num_nodes or 0), graph.get("node_ids"))
        except UserError as error:
            self.message.value = complaint(sentences(error, kept) if kept else str(error))
        else:
            self.message.value = ""
            act(node)


def hint_of(names: Sequence[object] | None) -> str:
    """Return what stands in a field for a node while it is empty."""
    return "a node's number" if names is None else "number or part of a name"


fit = partial(Fit, layout={"width": "100%"})


def look(room: int, width: str, description: str | None = None) -> dict[str, Any]:
    """Return style and layout of a control: pixels of its description, width such as "160px" or as for `wide`."""
    layout = wide(width) if " " in width else ipw.Layout(width=width)
    named = {} if description is None else {"description": description}
    return {"style": {"description_width": f"{room}px"}, "layout": layout, **named}


def wide(flex: str, **more: str) -> ipw.Layout:
    """Return the layout of what takes the room that there is, e.g. "1 1 240px": grow, shrink and least width."""
    return ipw.Layout(width="auto", flex=flex, min_width="0", **more)


def column(flex: str, *parts: ipw.Widget) -> ipw.VBox:
    """Return widgets below one another that take the room which there is, see `wide`."""
    return ipw.VBox(parts, layout=wide(flex))


def row(*parts: ipw.Widget, align: str = "center") -> ipw.HBox:
    """Return widgets beside one another, below where there is too little room."""
    return ipw.HBox(parts, layout=ipw.Layout(flex_flow="row wrap", align_items=align))


def complaint(text: str, indent: int = 0, more: str = "") -> str:
    """Return what is wrong as HTML, with a bar to its left; nothing for nothing. `more` is HTML below it."""
    bar = f"border-left:4px solid {style.COLOURS[1]};padding:2px 10px;margin-left:{indent}px;line-height:1.5"
    return f'<div style="{bar}">{html.escape(text)}{more}</div>' if text else ""


def sentences(*said: object) -> str:
    """Return sentences after one another, each with its end."""
    return " ".join(text if text.endswith((".", "?")) else f"{text}." for text in map(str, said))


def small(text: str) -> str:
    """Return a remark, which is HTML, in small letters."""
    return f'<div style="opacity:.75;font-size:12px;line-height:1.4">{text}</div>'
