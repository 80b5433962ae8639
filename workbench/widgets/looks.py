"""What is seen of an embedding while its model trains: the accuracy of a probe and a map; no widget."""

import time
from textwrap import wrap

import numpy as np
import plotly.graph_objects as go
from torch import Tensor
from torch_geometric.data import Data

from workbench.contrast.measures import node_classes
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.evaluation import Scores, evaluate
from workbench.evaluation.projection import Map, project
from workbench.plots import style
from workbench.plots.losses import accuracy_curve
from workbench.plots.maps import map_figure, spans

PROTOCOL = "random-10-10-80"
MAPPED = 3_000  # items; a map of so many takes a fraction of a second
ACCURACY, MAP = 280, 660  # pixels
MANY, ROOM = 10, 580  # classes whose names stand below the map, and pixels of its width
LETTERS = 58  # in a line under the title of a figure that takes half of the page


class Looks:
    """The looks at one training on a graph or on rows, which may not be loaded yet; each map follows the one before.

    Attributes:
        epoch: of the latest look, -1 before it. seconds: how long it took.
        ranks: effective ranks of the embedding, in dimensions, by epoch, 0 being the untrained one.
        scores: of one split, by epoch; unscored: why there are none, or "". map: the latest, None where there is none.
    """

    def __init__(self, graph: Data | None, seed: int, supervised: bool = False):
        self._graph, self._seed = graph, seed
        self._labels = "learns from labels" if supervised else "uses labels to look, never to train"
        self.epoch, self.seconds = -1, 0.0
        self.scores: dict[int, Scores] = {}
        self.ranks: dict[int, float] = {}
        self.map: Map | None = None
        self.unscored, self._unmapped = "", "it comes after the first epoch"
        self._corners = np.empty((0, 2))  # of all maps so far

    def look(self, epoch: int, embeddings: Tensor) -> None:
        """Score an embedding [items, dim] on one split, and map it."""
        assert self._graph is not None
        began = time.perf_counter()
        try:
            self.scores[epoch] = evaluate(embeddings, self._graph, PROTOCOL, splits=1, progress=False)
        except UserError as error:
            self.unscored = str(error)
        try:
            self.map = project(embeddings, "pca", self._seed, before=self.map, limit=MAPPED)
            whole = np.concatenate([self._corners, self.map.points])
            self._corners = np.stack([whole.min(axis=0), whole.max(axis=0)])
        except UserError as error:
            self._unmapped = str(error)
        self.epoch, self.seconds = epoch, time.perf_counter() - began

    def forget(self, epoch: int) -> None:
        """Forget what was seen at an epoch and after it."""
        self.scores = {earlier: scores for earlier, scores in self.scores.items() if earlier < epoch}
        self.ranks = {earlier: rank for earlier, rank in self.ranks.items() if earlier < epoch}
        if self.epoch >= epoch:
            self.epoch, self.map = -1, None

    def draw_accuracy(self, until: int) -> go.Figure:
        """Draw accuracy (or say why there is none) and effective rank at each look; epochs end at `until`."""
        split = f"the first split of {PROTOCOL}, split seed 0, logistic regression; {self._labels}"
        accuracies = {epoch: self.scores[epoch].accuracy.mean for epoch in sorted(self.scores)}
        ranks = {epoch: self.ranks[epoch] for epoch in sorted(self.ranks)}
        return accuracy_curve(accuracies, ranks, self.unscored or split, until, ACCURACY, LETTERS)

    def draw_map(self) -> go.Figure:
        """Draw the latest map, or say why there is none; all maps of a graph have the same traces in one order."""
        if self.map is None or self._graph is None:
            fig = style.figure("Map of the embedding", "<br>".join(wrap(self._unmapped, LETTERS)), MAP)
            return fig.update_xaxes(visible=False).update_yaxes(visible=False)
        names = {"class_names": self._graph.get("class_names"), "names": self._graph.get("node_names")}
        classes = np.maximum(node_classes(self._graph), -1)
        note = f"colours: classes; {self._labels}" if (classes >= 0).any() else "there are no labels"
        heading, (items,) = f"Map after epoch {self.epoch:,}", kind_of(self._graph).items
        fig = map_figure(self.map, classes, "class", heading, note, **names, items=items)
        told = fig.layout.title.subtitle.text.replace(" = ", "\u00a0=\u00a0")  # which are not to be parted
        lines = [part for line in told.split("<br>") for part in wrap(line, LETTERS)]
        for axis, span in zip((fig.layout.xaxis, fig.layout.yaxis), spans([self._corners]), strict=True):
            axis.update(range=span, visible=True)
        fig.update_layout(title_subtitle_text="<br>".join(lines), margin_t=66 + 18 * len(lines))
        called = [str(trace.name) for trace in fig.data if trace.showlegend]
        rows = style.legend_rows(called, ROOM) if len(called) > MANY else 0
        # Beside the map many would take half of its width.
        below = {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"}
        beside = {"orientation": "v", "x": 1.02, "y": 1, "yref": "paper", "yanchor": "top"}
        fig.update_layout(margin_b=60 + 19 * rows, height=MAP + 19 * rows)
        return fig.update_layout(legend=below if rows else beside)
