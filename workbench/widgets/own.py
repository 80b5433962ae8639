"""Your own graph: files in, what was understood of them, which column is what; then train, look, and take it home."""

import asyncio
import base64
import html
import re
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ipywidgets as ipw
from torch_geometric.data import Data

from workbench.datasets.files.report import Report as Reading
from workbench.datasets.files.tables import Reading as Options
from workbench.datasets.files.tables import is_table, read_table
from workbench.datasets.structural import STRUCTURAL
from workbench.errors import UserError
from workbench.training.export import table_of
from workbench.training.run import Run
from workbench.widgets.first import UNTRAINED, FirstLook
from workbench.widgets.form import checked
from workbench.widgets.home import TakeHome
from workbench.widgets.live import Controls
from workbench.widgets.own_files import NONE, Asked, Upload, safe_name
from workbench.widgets.shell import Report, complaint, headless, look, row, small, wide
from workbench.widgets.thread import Training
from workbench.widgets.training import Trained, training_panel

FOUND = "as found"
FIELDS = {"edges": "edges, or a whole graph", "nodes": "table of nodes (optional)"}
DIRECTIONS = {FOUND: None, "each edge both ways": False, "kept": True}
MOST_MIB = 64  # of a table that is put into a link
CLOSED_AFTER = 30  # seconds, of a panel that another takes the place of


class Brought(Trained):
    """A graph of one's own that was read and trained on, as the static twin shows it."""

    widget = "page for your own graph"

    def page(self, figures: Any) -> list[Any]:
        """Return what was read, then what the training shows."""
        assert self.graph is not None
        return [self.graph.report._repr_html_(), *super().page(figures)]


def own_graph(
    graph: str | Path | None = None,
    nodes: str | Path | None = None,
    method: str = "grace",
    preset: str | None = "quick",
    seed: int = 0,
    **overrides: Any,
) -> "OwnGraph | Report":
    """Bring a graph of your own: upload its files, see what was understood, train without labels, look, take it home.

    Uploaded files are written into a private temporary folder that goes with the widget; nothing leaves the machine.

    Args:
        graph: a file to open on, of any form that `load_graph` reads; None to upload one.
        nodes: a table of nodes beside it.
        method, preset, seed, **overrides: what the training opens on, as for `training_panel`.

    Returns:
        The widget, or with WORKBENCH_HEADLESS=1 the static report: what was read, and a training's pictures.

    Raises:
        UserError: as for `training_panel`; for the report also what `load_graph` raises, and that there is no file.
    """
    if headless():
        if graph is None:
            raise UserError("without a screen there is nothing to upload: own_graph('edges.csv', nodes='nodes.csv')")
        read = Asked(Path(graph), Path(nodes) if nodes else None).load()
        training = Training(checked(read, method, preset, seed, overrides)[0], 5)
        training.work()
        return Report(Brought(training))
    checked("pydocs", method, preset, seed, overrides)
    return OwnGraph(graph, nodes, {"method": method, "preset": preset, "seed": seed, **overrides})


class OwnGraph(Controls, ipw.VBox):
    """The widget.

    Attributes:
        uploads, paths, complaints: by "edges" and "nodes" the `Upload`, the field for a path and what is wrong with it;
            complaints also has "choices".
        source, target, weight, label, attributes, directed: which column is what.
        read: what was understood, as HTML. graph: once it is read. first: training, explorer and microscope for it.
        save: the button that makes the table, saved: the link to it. home: the Python that does the same.
    """

    def __init__(self, graph: str | Path | None, nodes: str | Path | None, usual: dict[str, Any]):
        self.home = TakeHome()
        super().__init__()
        self._usual, self._folder = usual, TemporaryDirectory(prefix="workbench-own-")
        self.graph: Data | None = None
        self._kinds: dict[str, str] = {}  # of the columns of nodes
        self.first: FirstLook | None = None
        self.uploads = {name: Upload(Path(self._folder.name, name)) for name in FIELDS}
        self.paths = {
            name: ipw.Text(placeholder="or its path on this machine", continuous_update=False) for name in FIELDS
        }
        self.complaints = {name: ipw.HTML() for name in (*FIELDS, "choices")}
        self._files: dict[str, Path | None] = {
            name: Path(file) if file else None for name, file in zip(FIELDS, (graph, nodes), strict=True)
        }
        self.read, self.saved = ipw.HTML(), ipw.HTML()
        columns: dict[str, Any] = {"options": [FOUND]}
        self.source = ipw.Dropdown(**columns, **look(52, "1 1 180px", "source"))
        self.target = ipw.Dropdown(**columns, **look(52, "1 1 180px", "target"))
        self.weight = ipw.Dropdown(**columns, **look(52, "1 1 180px", "weight"))
        self.label = ipw.Dropdown(**columns, **look(52, "1 1 180px", "label"))
        self.directed = ipw.Dropdown(options=[*DIRECTIONS], **look(70, "1 1 210px", "directions"))
        self.attributes = ipw.SelectMultiple(options=[], rows=6, **look(70, "1 1 300px", "attributes"))
        self._choices = ipw.VBox(layout=ipw.Layout(display="none"))
        self.save = ipw.Button(
            description="Take home: CSV with names", icon="download", layout=ipw.Layout(width="auto")
        )
        self._name("own", "source", "target", "weight", "label", "directed", "attributes", "read", "save", "saved")
        self._below = ipw.VBox()
        self.children = [*map(self._field, FIELDS), self._arranged(), self._below, self.home]
        for name in FIELDS:
            self._observe(partial(self._uploaded, name), self.uploads[name], trait="file")
            self._observe(partial(self._typed, name), self.paths[name])
        self._observe(lambda: self._open("choices"), self.source, self.target, self.weight, self.label)
        self._observe(lambda: self._open("choices"), self.directed, self.attributes)
        self.save.on_click(lambda _: self._save())
        if graph:
            self._open("edges")

    @property
    def run(self) -> Run | None:
        """The run that was trained last, None before."""
        return None if self.first is None else self.first.run

    def _field(self, name: str) -> ipw.Widget:
        self.uploads[name].add_class(f"own-upload-{name}")
        self.paths[name].add_class(f"own-path-{name}")
        self.complaints[name].add_class(f"own-complaint-{name}")
        self.paths[name].layout = wide("1 1 260px")
        words = ipw.HTML(FIELDS[name], layout=ipw.Layout(width="190px"))
        return row(words, self.uploads[name], self.paths[name], self.complaints[name])

    def _arranged(self) -> ipw.Widget:
        hint = "Where no attribute is chosen they are as found; Ctrl chooses several. Labels are never trained on."
        report = ipw.Box([self.read], layout=ipw.Layout(max_height="320px", overflow="auto"))
        report.add_class("own-report")
        ends = row(self.source, self.target, self.weight, self.label, self.directed)
        self.complaints["choices"].add_class("own-complaint-choices")
        parts = [ends, row(self.attributes), ipw.HTML(small(hint)), self.complaints["choices"], report]
        self._choices.children = parts
        return self._choices

    def _uploaded(self, name: str) -> None:
        """Read what was uploaded."""
        if (file := self.uploads[name].file) is not None:
            self._files[name] = file
            with self._quietly():
                self.paths[name].value = ""
            self._open(name)

    def _bare(self, words: str) -> str:
        """Return words in which files that were uploaded stand without their private folder."""
        return re.sub(rf"{re.escape(self._folder.name)}/\w+/", "", words)

    def _typed(self, name: str) -> None:
        if self.paths[name].value.strip():
            self._files[name] = Path(self.paths[name].value.strip()).expanduser()
            self._open(name)
        elif name == "nodes":
            self._files[name] = None
            self._open(name)

    def _asked(self, fresh: bool) -> Asked | None:
        graph, nodes = self._files["edges"], self._files["nodes"]
        if graph is None:
            return None
        asked = Asked(graph, nodes)
        if fresh:  # of other files, whose columns may be called otherwise
            return asked
        chosen = {name: getattr(self, name).value for name in ("source", "target", "weight", "label")}
        chosen = {name: None if value == FOUND else value for name, value in chosen.items()}
        return replace(asked, **chosen, attributes=self.attributes.value, directed=DIRECTIONS[self.directed.value])

    def _open(self, changed: str) -> None:
        """Read the files after a change of one of them or of the choices, or say beside it why they can't be read."""
        fresh = changed != "choices"
        asked = self._asked(fresh)
        for beside in self.complaints.values():
            beside.value = ""
        if asked is None:
            self.complaints["nodes"].value = complaint("The edges come first: a table of nodes alone is no graph.")
            return
        if (asked.source is None) != (asked.target is None):
            self.complaints["choices"].value = small("Choose the other end of the edges, too.")
            return
        self.complaints[changed].value = small(f"Reading {html.escape(asked.graph.name)} …") if fresh else ""
        try:
            graph = asked.load()
        except UserError as error:
            said = self._bare(str(error))
            kept = "" if self.graph is None else " " * said.endswith("?") + "; what was read before stays"
            self.complaints[changed].value = complaint(f"{said}{kept}".replace("? ; what", "? What"))
            self._offer_columns(asked.graph)
            return
        self.graph, self.complaints[changed].value = graph, ""
        self.read.value = graph.report._repr_html_()
        self._offer(graph.report, asked)
        self.home.call = self._bare(asked.call())
        self._train(graph)

    def _offer(self, report: Reading, asked: Asked) -> None:
        """Offer the columns that a graph's tables have, with what each was read as, and show what was asked for."""
        columns = report.columns
        edges, nodes = (columns[columns["part"] == part] for part in ("edges", "nodes"))
        roles = dict(zip(nodes["column"], nodes["read as"], strict=True))
        if not asked.attributes:  # what is asked for is all that a report tells of then
            self._kinds = dict(zip(nodes["column"], nodes["kind"], strict=True))
        own = [(f"{name} ({kind}, {roles.get(name, 'left out')})", name) for name, kind in self._kinds.items()]
        made = [(f"{word}, made from the edges", word) for word in STRUCTURAL if word not in self._kinds]
        with self._quietly():
            ends, labels = [FOUND, *edges["column"]], [FOUND, NONE, *self._kinds]
            offered = {"source": ends, "target": ends, "weight": [FOUND, NONE, *ends[1:]], "label": labels}
            for name, options in offered.items():
                control = getattr(self, name)
                control.options, control.value = options, getattr(asked, name) or FOUND
            self.attributes.options, self.attributes.value = [*own, *made], asked.attributes
            self.directed.value = next(word for word, way in DIRECTIONS.items() if way is asked.directed)
        self._choices.layout.display = ""

    def _offer_columns(self, file: Path) -> None:
        """Offer the columns of a table of edges that can't be read before a person says which are the ends."""
        with suppress(UserError, OSError), self._quietly():
            if self.graph is None and is_table(file):
                columns = [str(name) for name in read_table(file, Reading(""), Options()).columns]
                self.source.options = self.target.options = [FOUND, *columns]
                self.weight.options = [FOUND, NONE, *columns]
                self._choices.layout.display = ""

    def _train(self, graph: Data) -> None:
        """Put a training panel for what was read in the place of the one before."""
        past = [*self._below.children]
        if self.first is not None:
            self.first.panel.stop()
            past.append(self.first.panel)
        panel = training_panel(graph, **self._usual)
        self.first, self.saved.value = FirstLook(panel), ""  # type: ignore[arg-type] # somebody is there to click
        self._below.children = [self.first, row(self.save, self.saved)]
        try:  # a page that is still drawing what it was shown first fails where this is closed under its hands
            asyncio.get_running_loop().call_later(CLOSED_AFTER, _close, past)
        except RuntimeError:
            _close(past)

    def _save(self) -> None:
        """Put the embedding under the nodes' names into a link; the browser gets it from the page itself."""
        if (run := self.run) is None:
            self.saved.value = complaint(UNTRAINED)
            return
        name = safe_name(f"{run.method}-{run.graph}.csv")
        table = table_of(run.embeddings, run.names, Path(self._folder.name) / name, ids=run.ids).read_bytes()
        if len(table) > MOST_MIB << 20:
            self.saved.value = complaint(
                f"The table takes {len(table) >> 20} MiB, too much for a page; run.export('folder') writes it."
            )
            return
        link = f"data:text/csv;base64,{base64.b64encode(table).decode()}"
        told = f"{len(run.embeddings):,} nodes, {run.embeddings.shape[1]} dimensions"
        self.saved.value = f'<a download="{html.escape(name)}" href="{link}">{html.escape(name)}</a> {told}'

    def close(self) -> None:
        """Stop, take the widget away, and delete what was uploaded."""
        if self.first is not None:
            self.first.panel.close()
        self._folder.cleanup()
        super().close()


def _close(widgets: list[ipw.Widget]) -> None:
    for widget in widgets:
        widget.close()
