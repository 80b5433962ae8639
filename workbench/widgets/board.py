"""The leaderboard to click in: accuracy against seconds on one graph, and the call behind each dot."""

import html
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError, unknown
from workbench.plots import style
from workbench.plots.cost import cost_chart
from workbench.studies import leaderboard as boards
from workbench.studies import load, results
from workbench.widgets.home import preamble, written
from workbench.widgets.shell import Report, Shell, column, fit, headless, look, row, small


def leaderboard(
    graph: str | None = None, protocol: str | None = None, chosen: str | None = None, folder: str | Path | None = None
) -> "Leaderboard | Report":
    """Look at the kept results of the leaderboard: what each training gains on a graph, at what cost, and its call.

    Args:
        graph: whose results are shown first, None for the first one that was measured.
        protocol: whose scores are shown, None for the study's first.
        chosen: the training that is told of first, e.g. "grace"; None for the best.
        folder: of results, None for those of the project.

    Returns:
        The widget, or with WORKBENCH_HEADLESS=1 a static report; both have the table as `.board`.

    Raises:
        UserError: no results, or none of such a graph, protocol or training.
    """
    scene = BoardScene(graph, protocol, chosen, folder)
    return Report(scene) if headless() else Leaderboard(scene)


class BoardScene:
    """The results on one graph by one protocol. `board` is all of them, `part` the rows of the graph."""

    widget = "leaderboard"

    def __init__(self, graph: str | None, protocol: str | None, chosen: str | None, folder: str | Path | None):
        self.folder = None if folder is None else Path(folder)
        self.rows = results.read(boards.NAME, self.folder)
        if not len(self.rows):
            raise UserError("nothing of the leaderboard was measured; workbench study run leaderboard GRAPH --out FILE")
        self.study = load(boards.NAME)
        self.protocol = ""
        self.protocols = [name for name in self.study.protocols if (self.rows["protocol"] == name).any()]
        self.look_at(graph, protocol)
        if chosen is not None:
            self.chosen = self._place(chosen)

    def look_at(self, graph: str | None, protocol: str | None) -> None:
        """Choose graph and protocol; the best training is told of."""
        protocol = protocol or self.study.protocols[0]
        if protocol != self.protocol:
            self.board, self.protocol = boards.board(self.rows, protocol, self.study), protocol
        self.graphs = self.board["data"].unique().tolist()
        if graph is not None and graph not in self.graphs:
            raise unknown("graph", graph, self.graphs, f"scored by {self.protocol!r} in the leaderboard")
        self.graph = graph or self.graphs[0]
        self.part = self.board[self.board["data"] == self.graph].reset_index(drop=True)
        self.chosen = int(self.part.loc[self.part["kind"] == "trained", "accuracy"].idxmax())

    def _place(self, name: str) -> int:
        trained = self.part[self.part["kind"] == "trained"]
        if name not in set(trained["name"]):
            raise unknown("training", name, trained["name"], f"on {self.graph} in the leaderboard")
        return int(trained.index[trained["name"] == name][0])

    @property
    def training(self) -> dict[str, Any]:
        """The row that is told of."""
        return self.part.loc[self.chosen].to_dict()

    def figures(self) -> dict[str, go.Figure]:
        """Draw "cost", accuracy against seconds, the training that is told of ringed."""
        figure = cost_chart(self.part)
        at = self.training
        figure.update_layout(clickmode="event", title_text=f"{self.graph}: what training gains, and what it costs")
        figure.add_trace(style.points(([at["seconds"]], [at["accuracy"]]), {**style.RING, "size": 20}))
        return {"cost": figure}

    def told(self) -> str:
        """Tell of the training as HTML: what it came to, and the call that made it."""
        one = self.training
        interval = f" [{one['low']:+.1f}, {one['high']:+.1f}]" if pd.notna(one["low"]) else ""
        facts = {
            "accuracy": f"{one['accuracy']:.1f} % ± {one['spread over splits']:.1f} over splits ({one['protocol']})",
            "over the best baseline": f"{one['over floor']:+.1f}{interval} points ({one['floor']}): {one['verdict']}",
            "over its untrained encoder": f"{one['over untrained']:+.1f} points",
            "cost": f"{one['seconds']:,.0f} s, {one['peak MiB']:,.0f} MiB; preset {one['preset']}",
            "training seeds": f"{one['training seeds']}",
        }
        lines = "".join(f"<tr><td>{name}</td><td>{html.escape(value)}</td></tr>" for name, value in facts.items())
        name, call, look = html.escape(one["name"]), html.escape(one["call"]), "line-height:1.5"
        return f'<b>{name}</b><table style="{look}">{lines}</table><pre>{call}</pre>'

    def page(self, figures: dict[str, go.Figure]) -> list[str | go.Figure]:
        """Return what the static twin shows."""
        return [figures["cost"], self.told()]


class Leaderboard(Shell):
    """The widget.

    Attributes:
        graph, protocol: the controls. told: what is told of the training that was clicked on.
    """

    scene: BoardScene

    def __init__(self, scene: BoardScene):
        super().__init__(scene)
        self.graph = ipw.Dropdown(options=scene.graphs, value=scene.graph, **look(44, "200px", "graph"))
        self.protocol = ipw.Dropdown(options=scene.protocols, value=scene.protocol, **look(60, "260px", "protocol"))
        self.told = ipw.HTML()
        self._name("leaderboard", "graph", "protocol", "told")
        hint = small("Click a filled dot to see what it came to, and the call that made it. Hollow: before training.")
        self._show(scene.figures())
        shown = column("1 1 560px", self.figures["cost"])
        both = row(shown, column("1 1 320px", self.told), align="flex-start")
        self.children = [row(self.graph, self.protocol, self.undo), ipw.HTML(hint), fit(), both]
        self.undo.keep(self.graph, self.protocol)
        self._observe(self._look, self.graph, self.protocol)
        self._tell()

    def choose(self, node: int) -> None:
        """Tell of the training in a row of the table."""
        if self.scene.part.loc[node, "kind"] == "trained":
            self.scene.chosen = node
            self._draw()

    def _look(self) -> None:
        self.scene.look_at(self.graph.value, self.protocol.value)
        self._draw()

    def _draw(self) -> None:
        self._show(self.scene.figures())
        self._tell()

    def _tell(self) -> None:
        self.told.value = self.scene.told()

    def call(self) -> str:
        """Return the Python that makes this widget as it stands."""
        scene = self.scene
        state = {"graph": scene.graph, "protocol": scene.protocol, "chosen": scene.training["name"]}
        return preamble() + written(leaderboard, **state, folder=None if scene.folder is None else str(scene.folder))
