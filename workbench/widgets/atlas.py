"""What the embedding explorer looks at: maps by epoch, what nodes are coloured by, facts of nodes and their nearest."""

import html
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize
from torch_geometric.data import Data

from workbench import rules
from workbench.datasets.structure import adjacency
from workbench.errors import UserError
from workbench.evaluation import projection
from workbench.evaluation.coloured import HITS, map_folder
from workbench.evaluation.projection import Map
from workbench.evaluation.scores import matrix_of
from workbench.evaluation.strata import label_homophily, probe_errors
from workbench.plots import network
from workbench.plots.negatives import classes
from workbench.plots.style import class_name
from workbench.randomness import Randomness

if TYPE_CHECKING:
    from workbench.training.run import Run

Ids = NDArray[np.int64]
LABELS = "uses labels to look, never to train"
CLASS, CLUSTER, DEGREE, RULE, ERROR = "class", "cluster", "degree", "rule score", "probe error"
CLUSTERS = 8  # where there are no classes to say how many
FAR = 6  # edges; how far a path between two nodes is looked for


class Atlas:
    """A run on its graph, looked at node by node; what was computed once is kept.

    Attributes:
        run, graph, seed: whose embedding, on which graph; seed of maps, clusters and the probe's splits.
        classes: class of each node, -1 for none [nodes]; None without labels. names: a name for each node, or None.
        epochs: after which an embedding was kept, ascending; empty for a run without snapshots.
    """

    def __init__(self, run: "Run", graph: Data, seed: int = 0):
        matrix_of(run, graph)  # refuses another graph's run, and numbers that are not finite
        Randomness(seed)  # refuses what is no seed
        self.run, self.graph, self.seed = run, graph, seed
        self.classes = classes(graph)
        self.class_names: Sequence[str] | None = graph.get("class_names")
        self.names: Sequence[object] | None = graph.get("node_names")
        self.epochs = sorted(run.snapshots)
        self.links = adjacency(graph)  # without directions
        self.degree: Ids = np.asarray(self.links.sum(axis=1), np.int64).ravel()
        self._hover: list[str] | None = None
        self._maps: dict[tuple[str, int | None], Map] = {}
        self._values: dict[tuple[str, str], NDArray[Any]] = {}
        self._rows: dict[int | None, NDArray[np.float32]] = {}

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self.degree)

    def colours(self) -> list[tuple[str, str]]:
        """Return what nodes can be coloured by, as (what is written, name)."""
        labelled = [] if self.classes is None else [(f"{name} — {LABELS}", name) for name in (CLASS, ERROR)]
        always = [(name, name) for name in (CLUSTER, DEGREE, RULE)]
        return [*labelled[:1], *always, *labelled[1:], ("neighbourhood hit of the map", HITS)]

    def hover(self) -> list[str]:
        """Return what is told of each node where the mouse is, besides its number and its colour, as HTML."""
        if self._hover is None:
            self._hover = [f"degree {edges}" for edges in self.degree]
            if self.names is not None:
                pairs = zip(self.names, self._hover, strict=True)
                self._hover = [f"{html.escape(str(name))}<br>{text}" for name, text in pairs]
            if self.classes is not None:
                called = (html.escape(self.called(node)) or "unknown" for node in range(self.nodes))
                self._hover = [f"{text}, class {name}" for text, name in zip(self._hover, called, strict=True)]
        return self._hover

    def map(self, method: str, epoch: int | None = None) -> Map:
        """Return the map of the trained embedding, or of the one after an epoch, which follows those before."""
        for _ in self.maps(method, epoch):
            pass
        return self._maps[method, epoch]

    def maps(self, method: str, epoch: int | None = None) -> Iterator[int | None]:
        """Compute the maps up to an epoch one after another, yielding the epoch before each one that is still lacking.

        The map of the trained embedding, of the epoch None, stands for itself.
        """
        folder = map_folder(self.run)
        if epoch is None:
            if (method, None) not in self._maps:
                yield None
                self._maps[method, None] = projection.project(self.run.embeddings, method, self.seed, folder)
            return
        before = None
        for at in self.epochs[: self.epochs.index(epoch) + 1]:
            if (method, at) not in self._maps:
                yield at
                self._maps[method, at] = projection.project(self.run.snapshots[at], method, self.seed, folder, before)
            before = self._maps[method, at]

    def values(self, colour: str, rule: str, drawn: Map) -> tuple[NDArray[Any], str]:
        """Return a value for each node [nodes] and what it is called; those of the map itself are nan where unmapped.

        Errors as of a rule or a probe that can't be evaluated here.
        """
        if colour == HITS:
            return drawn.hits_of(self.nodes), HITS
        key = colour, rule if colour == RULE else ""
        if key not in self._values:
            self._values[key] = self._computed(colour, rule)
        title = {DEGREE: "degree, log10(1 + edges)", ERROR: "probe error, share of splits"}.get(colour, colour)
        return self._values[key], rule if colour == RULE else title

    def _computed(self, colour: str, rule: str) -> NDArray[Any]:
        if colour == CLASS:
            if self.classes is None:
                raise UserError("this graph has no labels to colour by")
            return self.classes
        if colour == DEGREE:
            return np.log10(1 + self.degree)
        if colour == RULE:
            return rules.evaluate(rule, self.graph).double().cpu().numpy()
        if colour == ERROR:
            return probe_errors(self.run, self.graph, seed=self.seed)
        count = CLUSTERS if self.classes is None else np.unique(self.classes[self.classes >= 0]).size
        start = Randomness(self.seed).integer("clusters 0")
        return KMeans(min(count, self.nodes), n_init=1, random_state=start).fit_predict(self.rows()).astype(np.int64)

    def rows(self, epoch: int | None = None) -> NDArray[np.float32]:
        """Return the embedding with rows of unit length [nodes, dim], the trained one or that after an epoch."""
        if epoch not in self._rows:
            whole = self.run.embeddings if epoch is None else self.run.snapshots[epoch]
            self._rows[epoch] = normalize(whole.float().cpu().numpy())
        return self._rows[epoch]

    def called(self, node: int) -> str:
        """Return the class of a node in words, "" where there is none."""
        if self.classes is None or self.classes[node] < 0:
            return ""
        return class_name(int(self.classes[node]), self.class_names)

    def facts(self, nodes: Ids, drawn: Map, colour: str, rule: str) -> pd.DataFrame:
        """Return a row of facts for each of some nodes; `colour` and `rule` name the value that is on the screen."""
        table = self._who(nodes)
        if self.classes is not None:
            table["neighbours of its class, share"] = self._homophily[nodes]
        table["degree"] = self.degree[nodes]
        table[HITS] = self.values(HITS, rule, drawn)[0][nodes]
        if colour not in (CLASS, DEGREE, HITS):
            values, title = self.values(colour, rule, drawn)
            table[title] = values[nodes]
        return table

    def _who(self, nodes: Ids) -> pd.DataFrame:
        """Return a row for each of some nodes: node, name and class, as far as there are any."""
        table = pd.DataFrame({"node": nodes})
        if self.names is not None:
            table["name"] = [str(self.names[node]) for node in nodes]
        if self.classes is not None:
            table["class"] = list(map(self.called, nodes))
        return table

    @cached_property
    def _homophily(self) -> NDArray[np.float64]:
        return label_homophily(self.graph)

    def nearest(self, node: int, drawn: Map, epoch: int | None = None, k: int = projection.NEIGHBOURS) -> pd.DataFrame:
        """Return the nodes that are nearest to one in the embedding, not on the map, the nearest first.

        A row has node, name, class, cosine, "edges away" (nan beyond 6) and "rank on the map" (1 for the node's nearest
        there, nan where either is not mapped).
        """
        rows = self.rows(epoch)
        cosines = rows @ rows[node]
        cosines[node] = -np.inf
        k = min(k, self.nodes - 1)
        near = np.argpartition(-cosines, k - 1)[:k]
        near = near[np.argsort(-cosines[near], kind="stable")]
        hops = dijkstra(self.links, indices=node, unweighted=True, limit=FAR)[near]
        away = np.where(np.isfinite(hops), hops, np.nan)
        facts = {"cosine": cosines[near], "edges away": away, "rank on the map": self._ranks(node, near, drawn)}
        return self._who(near).assign(**facts)

    def _ranks(self, node: int, others: Ids, drawn: Map) -> NDArray[np.float64]:
        """Return the rank of other nodes by their distance from a node on the map, nan where one is not mapped."""
        own = np.flatnonzero(drawn.nodes == node)
        if not own.size:
            return np.full(len(others), np.nan)
        far = np.linalg.norm(drawn.points - drawn.points[own[0]], axis=1)
        far[own[0]] = -1
        rank = np.full(self.nodes, np.nan)
        rank[drawn.nodes[np.argsort(far, kind="stable")]] = np.arange(len(far))
        return rank[others]

    def overlay(self, drawn: Map, nodes: Ids | None) -> go.Scattergl:
        """Return the edges between mapped nodes as lines on the map; only those at some nodes where these are given."""
        place = np.full(self.nodes, -1)
        place[drawn.nodes] = np.arange(len(drawn.nodes))
        row, column = self.links.nonzero()
        keep = (row < column) & (place[row] >= 0) & (place[column] >= 0)
        if nodes is not None:
            inside = np.zeros(self.nodes, bool)
            inside[nodes] = True
            keep &= inside[row] | inside[column]
        edges = np.stack([place[row[keep]], place[column[keep]]])
        lines = network.lines(drawn.points.astype(float), edges).to_plotly_json()
        return go.Scattergl(**{**lines, "type": "scattergl", "name": "edges", "opacity": 0.7})

    def summary(self, nodes: Ids) -> str:
        """Tell some nodes in one sentence, as HTML."""
        if not len(nodes):
            return "Nothing is selected: draw a lasso or a box on the map, or click a node."
        count = len(nodes)
        parts = [f"<b>{count:,} of {self.nodes:,} nodes</b> are selected"]
        if self.classes is not None:
            shares = pd.Series(self.classes[nodes]).value_counts(normalize=True)
            most = shares.head(4)[shares.head(4) >= 0.01]
            named = [
                f"{share:.0%} {html.escape(class_name(i, self.class_names, 'class '))}" for i, share in most.items()
            ]
            parts.append(", ".join(named) + (", …" if len(shares) > len(most) else ""))
        inside = int(self.links[nodes][:, nodes].nnz // 2)
        out = int(self.degree[nodes].sum()) - 2 * inside
        parts.append(f"{inside:,} edges among them, {out:,} to other nodes")
        middle = self.rows()[nodes].mean(axis=0)
        cosine = float((count * middle @ middle - 1) / (count - 1)) if count > 1 else float("nan")  # of unit rows
        return "; ".join([*parts, f"mean cosine of two of them {cosine:.2f}"]) + "."
