"""What the comparison looks at: two embeddings of one graph, their maps, and what is told of them."""

import html
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch_geometric.data import Data

from workbench.evaluation import projection
from workbench.evaluation.alignment import COLUMNS, SIDES, Agreement, agreement
from workbench.evaluation.coloured import map_folder
from workbench.evaluation.scores import Embeddings
from workbench.plots import agreement as plots
from workbench.plots.style import run_labels
from workbench.training.run import Run
from workbench.widgets.brush import Ids
from workbench.widgets.shell import small

Maps = tuple[projection.Map, projection.Map]
DRAWN = 20_000  # of more nodes a sample is drawn: two maps of more take minutes, and lag behind the hand
LISTED = 50
WHO = 28  # letters of a node's name in a line of the list
MOVED = "Nodes that moved most"


class Pair:
    """Two embeddings of one graph with what is measured and drawn of them; maps are made when they are asked for.

    Attributes:
        agreement: what is measured. names: what the two are called. node_names: a name for each node, or None.
        method, colour: of the maps. chosen: a node that is ringed on them with its nearest, or None.
        selection: the selected nodes, ascending, int64 [selected].
    """

    widget = "comparison"
    method, colour = "umap", plots.OVERLAP
    chosen: int | None = None

    def __init__(self, one: Embeddings, other: Embeddings, graph: Data, k: int, groups: ArrayLike | None, seed: int):
        self.agreement: Agreement = agreement(one, other, graph, k, groups, seed)
        self.names, self.node_names = _names(one, other), graph.get("node_names")
        self.nodes, self.graph = len(self.agreement.nodes), graph
        self.selection: Ids = np.empty(0, np.int64)
        self.embeddings, self.seed = (one, other), seed
        self._maps: dict[str, Maps] = {}

    def maps(self) -> Maps:
        """Return the maps of the two, of the same nodes: up to 20,000, else a sample; or their first pictures."""
        return self._maps.get(self.method) or self._first

    def at_hand(self) -> bool:
        """Return whether the maps were made or stored, so that no first pictures stand in for them."""
        if self.method not in self._maps:
            first, second = (projection.kept(*self._asked(one), limit=DRAWN) for one in self.embeddings)
            if first is None or second is None:
                return False
            self._maps[self.method] = first, projection.turned(second, first)
        return True

    def compute(self, method: str | None = None) -> None:
        """Make the maps by a method, by the one that is looked at for None."""
        if (method := method or self.method) not in self._maps:
            first, second = (projection.project(*self._asked(one, method), limit=DRAWN) for one in self.embeddings)
            self._maps[method] = first, projection.turned(second, first)

    def _asked(self, embedding: Embeddings, method: str | None = None) -> tuple[Tensor, str, int, Path | None]:
        run = embedding if isinstance(embedding, Run) else None
        matrix = torch.as_tensor(embedding) if run is None else run.embeddings
        return matrix, method or self.method, self.seed, map_folder(run)

    @cached_property
    def _first(self) -> Maps:
        pictures = (projection.first_picture(self._asked(one)[0], self.seed, DRAWN) for one in self.embeddings)
        first, second = pictures
        return first, projection.turned(second, first)

    def drawn(self) -> dict[str, go.Figure]:
        """Draw the maps "one" and "other", see `plots.agreement.agreement_maps`; on the screen they take a lasso."""
        more = self.colour, self.names, self.chosen, self.node_names
        pictures = plots.agreement_maps(self.agreement, self.maps(), *more)
        brushed = {"dragmode": "lasso", "clickmode": "event", "uirevision": "map"}
        return {side: figure.update_layout(brushed) for side, figure in zip(SIDES, pictures, strict=True)}

    def figures(self) -> dict[str, go.Figure]:
        """Draw "maps" and, with classes, "classes" and "change"; the node that moved most is chosen where none is."""
        self.compute()
        self.chosen = int(self.moved["node"].iloc[0]) if self.chosen is None else self.chosen
        title = f"{self.names[0]} and {self.names[1]}; node {self.chosen} and its nearest are ringed"
        one, other = self.drawn().values()
        return {"maps": plots.side_by_side((one, other), title), **self.by_class()}

    def page(self, figures: dict[str, go.Figure]) -> list[str | go.Figure]:
        """Return what the static twin shows."""
        assert self.chosen is not None
        maps, *rest = figures.values()
        listed = tables({MOVED: self.moved.head(15).rename(columns=self.headings)})
        return [maps, f"<p>{self.of_node(self.chosen)}</p>{self.numbers()}", *rest, listed]

    def by_class(self) -> dict[str, go.Figure]:
        """Draw "classes" and "change"; nothing where there are no classes."""
        if self.agreement.classes.empty:
            return {}
        told = self.agreement, self.names
        return {"classes": plots.agreement_chart(*told), "change": plots.confusion_change(*told)}

    @property
    def headings(self) -> dict[str, str]:
        """What the columns that are of one of the two are headed by: the measure and what that one is called."""
        return {column: f"{measure}, {self.names[place]}" for column, (measure, place) in COLUMNS.items()}

    def numbers(self) -> str:
        """Tell of the whole, and of the selected nodes beside all, as HTML."""
        whole, selection = self.agreement.summary, self.selection
        shown = whole[["value", "chance"]].map("{:.3f}".format).rename(columns={"chance": "by chance"})
        for measure, (low, high) in whole[["low", "high"]].dropna().iterrows():
            shown.loc[measure, "value"] += f" [{low:.3f}, {high:.3f}]"
        parts = {f"{self.names[0]} and {self.names[1]}, all {self.nodes:,} nodes": shown}
        if len(selection):
            both = pd.DataFrame({"selected": self.agreement.of(selection), "all": self.agreement.of(range(self.nodes))})
            both.loc[both.index.str.startswith("neighbours in the group"), "all"] = np.nan  # all are in that group
            text = both.map(lambda value: "–" if pd.isna(value) else f"{value:,.2f}".removesuffix(".00"))
            parts["The selected nodes and all"] = text.rename(self.headings)
            classes = self.agreement.nodes.set_index("node")["class"]
            counts = pd.DataFrame({"selected": classes.loc[selection].value_counts(), "all": classes.value_counts()})
            if not self.agreement.classes.empty:
                parts["Their classes"] = counts[counts["selected"] > 0].sort_values("selected", ascending=False)
        return tables(parts) + small(
            f"k = {self.agreement.k}. In brackets: 95 % bootstrap over nodes. By chance: k / (nodes − 1), and for the "
            "others what shuffled rows give. Two training seeds of one configuration differ, too."
        )

    @property
    def moved(self) -> pd.DataFrame:
        """The rows of the 50 nodes that moved most of those that are selected, of all where none are."""
        rows = self.agreement.nodes
        return (rows[rows["node"].isin(self.selection)] if len(self.selection) else rows).head(LISTED)

    def of_node(self, node: int) -> str:
        """Tell of one node where its nearest are in either embedding, as HTML."""
        near = [side.indices[node] for side in self.agreement.nearest]
        row = self.agreement.nodes.set_index("node").loc[node]
        both = np.intersect1d(*near)
        name = f" ({html.escape(str(self.node_names[node]))})" if self.node_names is not None else ""
        names = list(map(html.escape, self.names))
        text = f"<b>Node {node}{name}</b>: {len(both)} of its {len(near[0])} nearest are the same in both"
        if pd.notna(row["class"]):
            own = [f"{row[f'own class, {side}']:.0%} in {called}" for side, called in zip(SIDES, names, strict=True)]
            text += f"; of its class {html.escape(str(row['class']))} are {' and '.join(own)}"
        text += "." if node in self.maps()[0].nodes else ". It is not in the sample that the maps show."
        kind = f"class {html.escape(str(row['class']))}, " if pd.notna(row["class"]) else ""
        text += f"<br>{kind}degree {row['degree']}, distance {row['distance']:.2f} between its two places"
        for called, others in zip(names, near, strict=True):
            listed = ", ".join(f"<b>{other}</b>" if other in both else str(other) for other in others)
            text += f"<br>nearest in {called}: {listed}"
        return f'<div style="line-height:1.5">{text}</div>'


def _names(*embeddings: Embeddings) -> tuple[str, str]:
    """Name two embeddings: runs by what tells them apart, matrices by their shape."""
    labels = iter(run_labels([run for run in embeddings if isinstance(run, Run)]))
    first, second = (next(labels) if isinstance(x, Run) else f"matrix {list(x.shape)}" for x in embeddings)
    return (f"{first}, one", f"{second}, other") if first == second else (first, second)


def line(row: dict[str, Any]) -> str:
    """Tell a node that moved in one line of a list that takes half of the page, see `Pair.of_node` for the rest."""
    who = str(row["name"]) if "name" in row else f"class {row['class']}" if pd.notna(row["class"]) else ""
    who = who if len(who) <= WHO else f"{who[: WHO // 2 - 2]}…{who[-WHO // 2 - 1 :]}"  # its end may tell it from others
    return " · ".join(filter(None, (f"node {row['node']}", who, f"overlap {row['overlap']:.2f}")))


def tables(parts: dict[str, pd.DataFrame]) -> str:
    """Return tables under their headings, side by side where there is room, as HTML."""
    rule = ".comparison-table :is(td, th) { padding: 1px 12px 1px 0; text-align: right } "
    shown = f"<style>{rule}.comparison-table tbody th {{ text-align: left }}</style>"
    for name, table in parts.items():
        named = not isinstance(table.index, pd.RangeIndex)
        look = {"border": 0, "index": named, "index_names": False, "classes": "comparison-table"}
        body = table.to_html(float_format="{:.2f}".format, na_rep="–", **look)
        shown += f'<div style="overflow:auto"><b>{html.escape(name)}</b>{body}</div>'
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px 32px;line-height:1.4">{shown}</div>'
