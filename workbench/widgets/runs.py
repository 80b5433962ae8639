"""The table of stored runs: sort, filter, look at the losses, and compare two that are ticked."""

import html
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as ipw
from torch_geometric.data import Data
from traitlets import List

from workbench.datasets import load_graph, names
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.training import store as runs
from workbench.training import stored
from workbench.training.run import Run
from workbench.widgets.comparison import Comparison
from workbench.widgets.home import preamble, text
from workbench.widgets.pair import Pair
from workbench.widgets.shell import Report, Shell, complaint, headless, row, small

_WHICH = ("method", "graph", "preset", "seed", "epochs", "seconds", "accuracy")
_TITLES = ("method", "graph", "preset", "seed", "epochs", "seconds", "accuracy, %")
WIDTH, HEIGHT = 100, 24  # of a line of losses


def runs_table(store: str | Path | None = None, graphs: Iterable[Data] = ()) -> "RunsTable | Report":
    """Look through stored runs: sort and filter them, see how each loss fell, and compare two on their graph.

    Args:
        store: folder of runs; None for WORKBENCH_RUNS or ./runs.
        graphs: your own graphs that runs were trained on; those with a name of `graphs.names()` are loaded by it.

    Returns:
        The widget, or with WORKBENCH_HEADLESS=1 a static table.
    """
    scene = RunsScene(store, tuple(graphs))
    return Report(scene) if headless() else RunsTable(scene)


class RunsScene:
    """The runs of a store. `rows` holds for each, the latest first, what the table shows of it."""

    widget = "table of runs"

    def __init__(self, store: str | Path | None, graphs: Sequence[Data]):
        self.store, self.graphs = store, graphs
        self.read()

    def read(self) -> None:
        """Read the store again."""
        self.rows = [_row(facts) for facts in reversed(stored.rows(self.store))]

    def figures(self) -> dict[str, Any]:
        """Return no figures: the lines of the losses stand in the table."""
        return {}

    def page(self, _: dict[str, Any]) -> list[str]:
        """Return what the static twin shows: the table without the baselines."""
        head = "".join(f"<th>{html.escape(title)}</th>" for title in (*_TITLES, "loss"))
        kept = [run for run in self.rows if not run["baseline"]]
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(word)}</td>' for word in run['shown'])}{_line(run)}</tr>" for run in kept
        )
        hidden = len(self.rows) - len(kept)
        left_out = f"; {hidden:,} untrained baseline{'s are' if hidden > 1 else ' is'} left out" if hidden else ""
        note = f"{len(kept):,} runs{left_out}"
        return [f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{small(note)}"]

    def pair(self, folders: Sequence[str]) -> Pair:
        """Return two runs on their graph; a UserError says why they can't be compared."""
        if len(folders) != 2:
            ticked = f"{len(folders)} are ticked" if folders else "none is ticked"
            raise UserError(f"two runs can be compared, and {ticked}; tick two")
        one, other = (runs.load(folder) for folder in folders)
        if one.graph_hash != other.graph_hash:
            same = one.graph == other.graph
            why = f"both are called {one.graph!r}, but their content differs" if same else "tick two runs of one graph"
            trained = f"{one.method} was trained on {one.graph!r} and {other.method} on {other.graph!r}"
            raise UserError(f"{trained}, which are not one graph; {why}")
        if one.kind != "nodes":
            raise UserError(
                f"{one.graph!r} is no single graph; the comparison takes two embeddings of one graph's nodes"
            )
        return Pair(one, other, self._graph(one), 15, None, 0)

    def _graph(self, run: Run) -> Data:
        for graph in self.graphs:
            if kind_of(graph).content_hash(graph) == run.graph_hash:
                return graph
        if run.graph.partition(":links")[0] not in names():
            raise UserError(
                f"the graph {run.graph!r} can't be loaded by its name; hand it over: runs_table(graphs=[graph])"
            )
        graph = load_graph(run.graph)
        if kind_of(graph).content_hash(graph) != run.graph_hash:
            raise UserError(
                f"these runs were trained on another {run.graph!r} than load_graph({run.graph!r}) returns, perhaps "
                "normalised in another way; hand theirs over: runs_table(graphs=[graph])"
            )
        return graph


class _Table(anywidget.AnyWidget):
    """What a hand sorts, filters and ticks."""

    _esm = Path(__file__).with_name("runs.js")
    _css = Path(__file__).with_name("runs.css")
    columns: Any = List().tag(sync=True)
    rows: Any = List().tag(sync=True)
    ticked: Any = List().tag(sync=True)


class RunsTable(Shell):
    """The widget.

    Attributes:
        table: the table; `table.ticked` holds the folders of the runs that are ticked, in the order of ticking.
        compare, refresh: the buttons. message: why two runs can't be compared.
        comparison: the comparison below, once two were compared.
    """

    scene: RunsScene

    def __init__(self, scene: RunsScene):
        super().__init__(scene)
        self.table = _Table(columns=list(_TITLES), rows=scene.rows)
        self.compare = ipw.Button(description="compare the ticked two", icon="exchange", disabled=True)
        self.refresh = ipw.Button(
            description="read again", icon="refresh", tooltip="look for runs that were stored since"
        )
        self.compare.layout.width = "200px"
        self.message = ipw.HTML()
        self.comparison: Comparison | None = None
        self._name("runs", "table", "compare", "refresh", "message", "coming")
        self._observe(self._ticked, self.table, trait="ticked")
        self.compare.on_click(lambda _: self._compare_ticked())
        self.refresh.on_click(lambda _: self._read())
        self._arrange()
        self._ticked()

    def call(self) -> str:
        """Return the Python that makes this table; own graphs are the notebook's."""
        given = [] if self.scene.store is None else [f"store={text(str(self.scene.store))}"]
        given += [f"graphs=[{', '.join('graph' for _ in self.scene.graphs)}]"] * bool(self.scene.graphs)
        return preamble() + f"wb.widgets.runs_table({', '.join(given)})"

    def _arrange(self) -> None:
        below = [self.comparison] if self.comparison else []
        self.children = [self.table, row(self.compare, self.refresh), self.message, self.coming, *below]

    def _read(self) -> None:
        self.scene.read()
        there = {run["folder"] for run in self.scene.rows}
        self.table.rows = self.scene.rows
        self.table.ticked = [folder for folder in self.table.ticked if folder in there]

    def _ticked(self) -> None:
        self.message.value, self.compare.disabled = "", len(self.table.ticked) != 2
        if (count := len(self.table.ticked)) != 2:
            self.message.value = small(
                f"Tick {'two runs' if not count else 'one more' if count == 1 else 'two runs only'} to compare them."
            )

    def _compare_ticked(self) -> None:
        """Show the comparison of the two that are ticked, or say why there is none."""
        try:
            pair = self.scene.pair(self.table.ticked)
        except UserError as error:
            self.message.value = complaint(str(error))
            return
        self._later("the comparison", pair.drawn, lambda: self._show_comparison(pair))

    def _show_comparison(self, pair: Pair) -> None:
        before, self.comparison = self.comparison, Comparison(pair)
        self._arrange()
        if before is not None:
            before.close()


def _row(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what the table shows of a run, from a row of `stored.rows`."""
    values = [facts[name] for name in _WHICH]
    shown = ["" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value) for value in values]
    if facts["baseline"]:
        shown[0] += f" ({facts['baseline']})"
    losses = list(filter(math.isfinite, stored.losses(facts["folder"])))
    low, high = min(losses, default=0.0), max(losses, default=0.0)
    step, height = WIDTH / max(len(losses) - 1, 1), (HEIGHT - 4) / ((high - low) or 1)
    points = " ".join(
        f"{place * step:.1f},{HEIGHT - 2 - (loss - low) * height:.1f}" for place, loss in enumerate(losses)
    )
    about = f"loss from {losses[0]:.4g} to {losses[-1]:.4g}" if losses else ""
    told = {"folder": facts["folder"], "baseline": bool(facts["baseline"]), "line": points, "about": about}
    return told | {"values": values, "shown": shown}


def _line(run: dict[str, Any]) -> str:
    """Return the cell with the line of a run's losses as HTML."""
    if not run["line"]:
        return "<td></td>"
    look = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
    line = f'<polyline points="{run["line"]}" fill="none" stroke="#239CDB" stroke-width="1.5"/>'
    return f"<td><svg {look}><title>{html.escape(run['about'])}</title>{line}</svg></td>"
