"""What the embedding explorer shows: the map of a run, some selected nodes, and who is near one of them."""

import html
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.plots import maps, network
from workbench.plots.negatives import called
from workbench.widgets.atlas import CLASS, CLUSTER, ERROR, HITS, LABELS, Atlas, Ids

NO_EDGES, OWN_EDGES, ALL_EDGES = "none", "of the selected nodes", "all"
ROWS = 200  # of the table


class EmbeddingScene:
    """An atlas as it is looked at.

    Attributes:
        atlas: what is looked at.
        colour, rule: what nodes are coloured by, and the rule whose score that may be.
        method, epoch: of the map; None for the trained embedding.
        links: which edges are drawn on the map.
        selection: the selected nodes, int64 [selected]. chosen: the node whose nearest are listed, or None.
    """

    widget = "embedding explorer"

    def __init__(self, atlas: Atlas, colour: str, method: str, node: int | None, rule: str):
        self.atlas, self.colour, self.method, self.rule = atlas, colour, method, rule
        self.epoch: int | None = None
        self.links, self.chosen = NO_EDGES, node
        self.selection: Ids = np.empty(0, np.int64)
        self.drawn = atlas.map(method)

    @property
    def nearest(self) -> pd.DataFrame:
        """The nodes that are nearest to the chosen one in the embedding, see `Atlas.nearest`."""
        assert self.chosen is not None
        return self.atlas.nearest(self.chosen, self.drawn, self.epoch)

    def choose(self, node: int) -> None:
        """Choose a node, and select it with its nearest."""
        self.chosen = node
        self.selection = np.unique(np.append(node, self.nearest["node"].to_numpy()))

    def figures(self) -> dict[str, go.Figure]:
        """Draw "map", "faithfulness", "graph" and, for a run with snapshots, "epochs"; a node is chosen by the seed."""
        atlas = self.atlas
        seeded = int(np.random.default_rng(atlas.seed).choice(self.drawn.nodes))
        self.choose(seeded if self.chosen is None else self.chosen)
        figures = {"map": self.map(), "faithfulness": self.map(HITS), "graph": self.graph()}
        if atlas.epochs:
            over = {epoch: atlas.map(self.method, epoch) for epoch in atlas.epochs}
            values, title = atlas.values(CLASS if atlas.classes is not None else CLUSTER, self.rule, self.drawn)
            classes = atlas.class_names if title == CLASS else None
            figures["epochs"] = maps.epochs_figure(over, values, title, self._heading(), classes, atlas.names)
        return figures

    def page(self, figures: dict[str, go.Figure]) -> list[str | go.Figure]:
        """Return what the static twin shows."""
        marked = go.Figure(figures["map"])
        maps.mark(marked, self.selection)
        text = f"<h4>{self.heading_of_chosen()}</h4>{table(self.nearest)}<p>{self.atlas.summary(self.selection)}</p>"
        rest = [figures[name] for name in ("graph", "faithfulness", "epochs") if name in figures]
        return [figures["map"], text, marked, *rest]

    def map(self, colour: str | None = None) -> go.Figure:
        """Draw the map in a colour of `Atlas.colours`, None for the one that is set, with the edges that are set."""
        atlas, colour = self.atlas, colour or self.colour
        values, title = atlas.values(colour, self.rule, self.drawn)
        after = atlas.run.epochs if self.epoch is None else self.epoch
        heading = f"{self._heading()}, {f'after {maps.trained(after)}' if after else maps.trained(0)}"
        note = f"colour {LABELS}" if colour in (CLASS, ERROR) else ""
        classes = atlas.class_names if colour == CLASS else None
        fig = maps.map_figure(self.drawn, values, title, heading, note, classes, atlas.hover(), 580)
        if self.links != NO_EDGES and fig.data[0].customdata is not None:
            fig.add_traces([atlas.overlay(self.drawn, self.selection if self.links == OWN_EDGES else None)])
            fig.data = (fig.data[-1], *fig.data[:-1])  # below the nodes
        return fig

    def graph(self) -> go.Figure:
        """Draw where the selected nodes stand in the graph."""
        atlas, nodes = self.atlas, self.selection if len(self.selection) else np.zeros(1, np.int64)
        part = network.around(atlas.links, nodes, seed=atlas.seed)
        return network.neighbourhood_map(part, nodes, atlas.classes, atlas.class_names, atlas.names)

    def _heading(self) -> str:
        run = self.atlas.run
        return f"{run.method} on {run.graph}, seed {run.seed}"

    def heading_of_chosen(self) -> str:
        """Say whose nearest nodes are listed, as HTML."""
        atlas, node = self.atlas, self.chosen
        assert node is not None
        kind = f", class {atlas.called(node)}" if atlas.called(node) else ""
        who = html.escape(f"{called(node, atlas.names)}{kind}")
        return f"Nearest in the embedding to {who}, degree {atlas.degree[node]}"

    def facts(self, rows: int | None = None) -> pd.DataFrame:
        """Return the table of the selected nodes, one row a node; of the first `rows`."""
        return self.atlas.facts(self.selection[:rows], self.drawn, self.colour, self.rule)


def table(facts: pd.DataFrame) -> str:
    """Return a table as HTML, its numbers short and its words escaped."""

    def short(values: Any) -> list[str]:
        whole = values.name != "cosine" and bool((values.dropna() == values.dropna().round()).all())
        return ["–" if pd.isna(value) else f"{value:.0f}" if whole else f"{value:.3g}" for value in values]

    shown = facts.assign(**{name: short(facts[name]) for name in facts.select_dtypes("floating").columns})
    look = ".workbench-table :is(td, th) { padding: 1px 14px 1px 0; text-align: left; line-height: 1.6 }"
    return f"<style>{look}</style>" + shown.to_html(index=False, border=0, classes="workbench-table")
