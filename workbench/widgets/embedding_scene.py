"""What the embedding explorer looks at: maps by epoch, what nodes are coloured by, some nodes and who is near one."""

import html
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.sparse import triu
from scipy.sparse.csgraph import dijkstra
from scipy.stats import rankdata
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize
from torch_geometric.data import Data

from workbench import rules
from workbench.datasets.structure import adjacency
from workbench.errors import UserError, node_number, unknown
from workbench.evaluation import projection, strata
from workbench.evaluation.coloured import HITS, map_folder
from workbench.evaluation.embeddings import matrix_of
from workbench.evaluation.neighbourhoods import NEIGHBOURS, nearest_to
from workbench.plots import maps, network
from workbench.plots.negatives import called, classes
from workbench.plots.style import class_name
from workbench.randomness import Randomness
from workbench.training.run import Run
from workbench.widgets.brush import Ids
from workbench.widgets.embedding_maps import Maps
from workbench.widgets.tables import table

LABELS = "uses labels to look, never to train"
CLASS, CLUSTER, DEGREE, RULE, ERROR = "class", "cluster", "degree", "rule score", "probe error"
KINDS = CLASS, CLUSTER  # what is drawn as classes
CLUSTERS = 8  # where there are no classes to say how many
FAR = 6  # edges; how far a path between two nodes is looked for
NO_EDGES, OWN_EDGES, ALL_EDGES = "none", "of the selected nodes", "all"


class EmbeddingScene:
    """A run on its graph, looked at node by node; arguments as for `embedding_explorer`.

    Attributes:
        classes: class of each node, -1 for none [nodes]; None without labels. names: a name for each node, or None.
        epochs: after which an embedding was kept, ascending; empty for a run without snapshots.
        colour, rule: what nodes are coloured by, and the rule whose score that may be.
        drawn: the map, or a first picture of it. method, epoch: of the map; None for the trained embedding.
        maps: all of them. edges: which edges the map shows. alone: the class that stands alone on it, or None.
        selection: the selected nodes, int64 [selected]. chosen: the node whose nearest are listed, or None.
    """

    widget = "embedding explorer"
    alone: int | None

    def __init__(
        self, run: Run, graph: Data, colour: str | None, method: str, node: int | None, rule: str, seed: int = 0
    ):
        matrix_of(run, graph)  # refuses another graph's run, and numbers that are not finite
        Randomness(seed)  # refuses what is no seed
        self.run, self.graph, self.seed = run, graph, seed
        self._heading = f"{run.method} on {run.graph}, seed {run.seed}"
        self.classes = classes(graph)
        self.class_names: Sequence[str] | None = graph.get("class_names")
        self.names: Sequence[object] | None = graph.get("node_names")
        self.ids: Sequence[object] | None = graph.get("node_ids")
        self.links = adjacency(graph)  # without directions
        self.degree: Ids = np.diff(self.links.indptr).astype(np.int64)
        self.nodes = len(self.degree)
        known = [name for _, name in self.colours()]
        self.colour, self.rule, self.edges, self.alone = colour or known[0], rule, NO_EDGES, None
        if self.colour not in known:
            raise unknown("colour", self.colour, known, "of the embedding explorer on this graph")
        projection.projections.get(method)
        rules.formula(rule)
        self.chosen = None if node is None else node_number(node, self.nodes)
        self.selection: Ids = np.empty(0, np.int64)
        self.maps = Maps(run, seed)
        self.epochs = self.maps.epochs
        self._values: dict[tuple[str, str], NDArray[Any]] = {}
        self._units: dict[int | None, NDArray[np.float32]] = {}
        self.move(method)
        if self.chosen is not None:
            self.choose(self.chosen)

    def colours(self) -> list[tuple[str, str]]:
        """Return what nodes can be coloured by, as (what is written, name)."""
        written = {name: f"{name} (uses labels)" for name in (CLASS, ERROR)} | {HITS: "neighbourhood hit of the map"}
        names = (CLASS, CLUSTER, DEGREE, RULE, ERROR, HITS)
        labelled = self.classes is not None
        return [(written.get(name, name), name) for name in names if labelled or name not in (CLASS, ERROR)]

    def kinds(self) -> list[tuple[str, int]]:
        """Return the classes or clusters that nodes are coloured by, as (name, number), the number -1 for no class."""
        if self.colour not in KINDS:
            return []
        names = self.class_names if self.colour == CLASS else None
        return [(class_name(index, names), index) for index in np.unique(self.values(self.colour)[0]).tolist()]

    def move(self, method: str, epoch: int | None = None) -> bool:
        """Look at another map, or at a first picture where it has to be computed; return whether it is at hand."""
        self.method, self.epoch = method, epoch
        there = self.maps.at_hand(method, epoch)
        self.drawn = there or self.maps.first_picture(epoch)
        return there is not None

    def arrive(self) -> None:
        """Look at the map itself, computed if need be."""
        self.drawn = self.maps.compute(self.method, self.epoch)

    @property
    def awaited(self) -> str:
        """What map is not at hand yet, while a first picture is shown; "" where it is."""
        if self.drawn.judged:
            return ""
        of = "" if self.epoch is None else f" of epoch {self.epoch}, which follows the epochs before it,"
        return f"{self.method.upper()}{of}"

    def values(self, colour: str) -> tuple[NDArray[Any], str]:
        """Return a value for each node [nodes] and what it is called; those of the map itself are nan where unmapped.

        Errors as of a rule or a probe that can't be evaluated here.
        """
        if colour == HITS:
            return self.drawn.hits_of(self.nodes), HITS
        titles = {DEGREE: "degree, log10(1 + edges)", ERROR: "probe error, share of splits", RULE: self.rule}
        key = colour, titles.get(colour, colour)
        if key not in self._values:
            self._values[key] = self._computed(colour)
        return self._values[key], key[1]

    def _computed(self, colour: str) -> NDArray[Any]:
        if colour == DEGREE:
            return np.log10(1 + self.degree)
        if colour == RULE:
            return rules.evaluate(self.rule, self.graph).double().cpu().numpy()
        if colour == ERROR:
            return strata.probe_errors(self.run, self.graph, seed=self.seed)
        if colour == CLASS:
            if self.classes is None:
                raise UserError("this graph has no labels to colour by")
            return self.classes
        count = CLUSTERS if self.classes is None else np.unique(self.classes[self.classes >= 0]).size
        start = Randomness(self.seed).integer("clusters 0")
        return KMeans(min(count, self.nodes), n_init=1, random_state=start).fit_predict(self._unit()).astype(np.int64)

    def _unit(self, epoch: int | None = None) -> NDArray[np.float32]:
        """Return the embedding with rows of unit length [nodes, dim], the trained one or that after an epoch."""
        if epoch not in self._units:
            self._units[epoch] = normalize(self.maps.rows(epoch).float().cpu().numpy())
        return self._units[epoch]

    @cached_property
    def _homophily(self) -> NDArray[np.float64]:
        return strata.label_homophily(self.graph)

    @cached_property
    def _who(self) -> pd.DataFrame:
        """A row for each node: node, name, id and class ("" for none), as far as there are any."""
        table = pd.DataFrame({"node": np.arange(self.nodes)})
        if self.names is not None:
            table["name"] = list(map(str, self.names))
        if self.ids is not None:
            table["id"] = list(map(str, self.ids))
        if self.classes is not None:
            table["class"] = [class_name(i, self.class_names) if i >= 0 else "" for i in self.classes.tolist()]
        return table

    @cached_property
    def _hover(self) -> list[str]:
        """What is told of each node where the mouse is, besides its number and its colour."""
        text = "degree " + pd.Series(self.degree).astype(str)
        if "name" in self._who:
            text = self._who["name"] + "\n" + text
        if "class" in self._who:
            text += ", class " + self._who["class"].replace("", "unknown")
        return text.tolist()

    def facts(self, rows: int | None = None) -> pd.DataFrame:
        """Return a table of the selected nodes, one row per node, with the value shown; of the first `rows`."""
        nodes = self.selection[:rows]
        table = self._who.iloc[nodes].reset_index(drop=True)
        if self.classes is not None:
            table["neighbours of its class, share"] = self._homophily[nodes]
        table["degree"] = self.degree[nodes]
        for colour in (HITS, self.colour):
            if colour not in (CLASS, DEGREE):
                values, title = self.values(colour)
                table[title] = values[nodes]
        return table

    @property
    def nearest(self) -> pd.DataFrame:
        """The nodes that are nearest to the chosen one in the embedding, not on the map, the nearest first.

        A row has node, name, class, cosine, "edges away" (nan beyond 6) and "rank on the map" (1 for the node's nearest
        there, nan where either is not mapped).
        """
        node, drawn = self.chosen, self.drawn
        assert node is not None
        near, cosines = nearest_to(self._unit(self.epoch), node, min(NEIGHBOURS, self.nodes - 1))
        hops = dijkstra(self.links, indices=node, unweighted=True, limit=FAR)[near]
        ranks = np.full(self.nodes, np.nan)
        own = drawn.nodes == node
        if own.any():
            far = np.where(own, -1, np.linalg.norm(drawn.points - drawn.points[own], axis=1))
            ranks[drawn.nodes] = rankdata(far, "ordinal") - 1
        away = np.where(np.isfinite(hops), hops, np.nan)
        facts = {"cosine": cosines, "edges away": away, "rank on the map": ranks[near]}
        return self._who.iloc[near].reset_index(drop=True).assign(**facts)

    def choose(self, node: int) -> None:
        """Choose a node, and select it with its nearest."""
        self.chosen = node_number(node, self.nodes)
        self.selection = np.unique(np.append(node, self.nearest["node"].to_numpy()))

    def figures(self) -> dict[str, go.Figure]:
        """Draw "map", "faithfulness", "graph" and, for a run with snapshots, "epochs"; a node is chosen by the seed."""
        self.arrive()
        if self.chosen is None:
            self.choose(np.random.default_rng(self.seed).choice(self.drawn.nodes))
        figures = {"map": self.draw_map(), "faithfulness": self.draw_map(HITS), "graph": self.draw_graph()}
        if self.epochs:
            over = dict(projection.over_epochs(self.run.snapshots, self.method, self.seed, map_folder(self.run)))
            values, title = self.values(CLUSTER if self.classes is None else CLASS)
            class_names = None if self.classes is None else self.class_names
            figures["epochs"] = maps.epochs_figure(over, values, title, self._heading, class_names, self.names)
        return figures

    def page(self, figures: dict[str, go.Figure]) -> list[str | go.Figure]:
        """Return what the static twin shows."""
        marked = go.Figure(figures["map"])
        maps.mark(marked, self.selection)
        rest = [figures[name] for name in ("graph", "faithfulness", "epochs") if name in figures]
        return [figures["map"], f"{self.near()}<p>{self.summary()}</p>", marked, *rest]

    def draw_map(self, colour: str | None = None) -> go.Figure:
        """Draw the map in a colour, None for the one that is set, with the edges that are set."""
        colour = colour or self.colour
        values, title = self.values(colour)
        after = self.run.epochs if self.epoch is None else self.epoch
        heading = f"{self._heading}, {'after ' * (after > 0)}{maps.trained(after)}"
        notes = [f"colour {LABELS}"] * (colour in (CLASS, ERROR))
        notes += [f"stands in for {self.awaited}"] * (self.awaited not in ("", self.drawn.method.upper()))
        class_names = self.class_names if colour == CLASS else None
        shown, told = (self.drawn, values), " · ".join(notes)
        fig = maps.map_figure(*shown, title, heading, told, class_names, self._hover, 580, self.alone)
        # A figure on the screen keeps what it is not told to change, so that there is always a first annotation.
        named = maps.class_labels(*shown, class_names, f"{title} ", self.alone) if colour in KINDS else []
        fig.update_layout(annotations=named or [{"text": "", "showarrow": False}])
        if self.edges != NO_EDGES and fig.data[0].customdata is not None:
            fig.add_traces([self._overlay()])
            fig.data = (fig.data[-1], *fig.data[:-1])  # below the nodes
        return fig

    def _overlay(self) -> go.Scattergl:
        """Return the edges between mapped nodes as lines on the map, all or those at the selected nodes."""
        drawn = self.drawn
        pairs = np.stack(triu(self.links[drawn.nodes][:, drawn.nodes]).nonzero())  # places of their ends
        if self.edges == OWN_EDGES:
            pairs = pairs[:, np.isin(drawn.nodes, self.selection)[pairs].any(axis=0)]
        lines = network.lines(drawn.points.astype(float), pairs).to_plotly_json()
        return go.Scattergl(**{**lines, "type": "scattergl", "name": "edges", "opacity": 0.7})

    def draw_graph(self) -> go.Figure:
        """Draw where the selected nodes stand in the graph."""
        nodes = self.selection if len(self.selection) else np.zeros(1, np.int64)
        part = network.around(self.links, nodes, seed=self.seed)
        return network.neighbourhood_map(part, nodes, self.classes, self.class_names, self.names)

    def near(self) -> str:
        """Tell whose nearest nodes are listed, and who these are, as HTML."""
        node = self.chosen
        assert node is not None
        kind = self._who.iloc[node].get("class")
        who = html.escape(called(node, self.names) + (f", class {kind}" if kind else ""))
        return f"<b>Nearest in the embedding to {who}, degree {self.degree[node]}</b>{table(self.nearest)}"

    def summary(self) -> str:
        """Tell the selected nodes in one sentence, as HTML."""
        nodes, count = self.selection, len(self.selection)
        if not count:
            return "Nothing is selected: draw a lasso or a box on the map, or click a node."
        parts = [f"<b>{count:,} of {self.nodes:,} nodes</b> are selected"]
        if self.classes is not None:
            shares = pd.Series(self.classes[nodes]).value_counts(normalize=True)
            most = shares[shares >= 0.01].head(4)
            called = [html.escape(class_name(index, self.class_names, "class ")) for index in most.index]
            named = [f"{share:.0%} {name}" for share, name in zip(most, called, strict=True)]
            parts.append(", ".join([*named, "…"] if len(shares) > len(most) else named))
        inside = int(self.links[nodes][:, nodes].nnz // 2)
        out = int(self.degree[nodes].sum()) - 2 * inside
        parts.append(f"{inside:,} edges among them, {out:,} to other nodes")
        middle = self._unit()[nodes].mean(axis=0)
        cosine = float((count * middle @ middle - 1) / (count - 1)) if count > 1 else float("nan")  # of unit rows
        return "; ".join([*parts, f"mean cosine of two of them {cosine:.2f}"]) + "."
