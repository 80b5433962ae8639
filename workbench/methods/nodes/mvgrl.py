"""MVGRL: as in DGI, but nodes of the graph are judged by a summary of its diffusion, and the other way round.

Hassani, Khasahmadi: Contrastive Multi-View Representation Learning on Graphs. ICML 2020, arXiv 2006.05582.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.index import index2ptr

from workbench.datasets.attributes import entries_of
from workbench.encoders.graph import GraphTensors, View
from workbench.encoders.two_graphs import TwoGraphs
from workbench.errors import UserError
from workbench.methods.base import METHODS, above, at_least
from workbench.methods.nodes.dgi import DGI, DGIConfig
from workbench.objectives.discriminator import binary_cross_entropy
from workbench.views.diffusion import BLOCK, Diffusion


@dataclass(frozen=True)
class MVGRLConfig(DGIConfig):
    """Configuration of MVGRL; the defaults are the authors' but `steps` and `entries`, which are ours.

    Attributes:
        dim: width of the embedding, which one graph convolution makes of each view.
        second_view: what the second encoder sees: the "diffusion" of the graph, or its "adjacency" again, a control.
        teleport: share of a walk that starts anew at each step, the paper's α, in (0, 1].
        steps: of the iteration that makes the diffusion.
        entries: most entries of the diffusion that are kept of each node, the largest.
    """

    epochs: int = at_least(0, 3000)
    second_view: Literal["diffusion", "adjacency"] = "diffusion"
    teleport: float = above(0, 0.2)
    steps: int = at_least(1, 10)
    entries: int = at_least(1, 64)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teleport > 1:
            raise UserError(f"parameter 'teleport' is {self.teleport}; it must be at most 1", parameter="teleport")


@METHODS.register("mvgrl")
class MVGRL(DGI):
    """Each view has its encoder and its summary; one bilinear form judges the nodes of either by the other's summary.

    It stops and returns to the weights of the lowest loss as `DGI` does. The release trains on windows of 2000
    successive nodes, adds self-loops twice to the adjacency, and for CiteSeer cuts the diffusion at a threshold and
    scales its columns; here a step sees the whole graph, has self-loops once, and keeps the largest entries of each row
    as they are. Of a sampled batch the diffusion is cut to the nodes at hand without scaling, as in those windows.
    """

    Config = MVGRLConfig

    encoder: TwoGraphs  # type: ignore[assignment]
    online: TwoGraphs

    @classmethod
    def make_encoder(cls, config: MVGRLConfig, shape: Mapping[str, int]) -> TwoGraphs:  # type: ignore[override]
        """Return one graph convolution with a PReLU for each view."""
        diffused = config.second_view == "diffusion"
        asked = Diffusion(config.teleport, config.steps, config.entries) if diffused else None
        return TwoGraphs(shape["features"], config.dim, asked)

    def loss(self, batch: Data, order: Tensor | None) -> Tensor:
        """Return the binary cross-entropy of both views' nodes against the other view's summary, a scalar."""
        view, anchors = GraphTensors.of(batch).whole, self.sampled_anchors(batch)
        if anchors is None or self.config.second_view == "adjacency":
            diffused = self.online.diffused(batch)
        else:
            diffused = self.cut(self.online.diffused(self.inputs), anchors, batch.n_id)
        views = view, View(view.x, None, diffused, view.reach)
        first, second = self.online(views)
        return self.judge(first, second, *self.online(views, order))

    @staticmethod
    def cut(matrix: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return rows and columns of a square CSR matrix, by their numbers, CSR [rows, columns]."""
        entries, owner, _ = entries_of(matrix.crow_indices(), rows.to(matrix.device))
        place = torch.full((matrix.shape[1],), -1, device=matrix.device)
        place[columns.to(matrix.device)] = torch.arange(len(columns), device=matrix.device)
        found = place[matrix.col_indices()[entries]]
        known = found >= 0
        owner, found = owner[known], found[known]
        order = (owner * len(columns) + found).argsort()
        part = index2ptr(owner, len(rows)), found[order], matrix.values()[entries[known]][order]
        return torch.sparse_csr_tensor(*part, (len(rows), len(columns)), check_invariants=False)

    def judge(self, first: Tensor, second: Tensor, false_first: Tensor, false_second: Tensor) -> Tensor:
        """Return the binary cross-entropy of h M c + b over both views, c being the summary of the one h is not of.

        Arguments are embeddings of the views and of the views with other attributes [nodes, dim].
        """
        of_first, of_second = (self.matrix @ true.mean(0).sigmoid() for true in (first, second))
        true, false = (
            torch.cat([second_nodes @ of_first, first_nodes @ of_second]) + self.bias
            for first_nodes, second_nodes in ((first, second), (false_first, false_second))
        )
        return binary_cross_entropy(true, false)

    @classmethod
    def memory(cls, config: MVGRLConfig, sizes: Mapping[str, int]) -> float:  # type: ignore[override]
        """Return the peak: two graphs in place of one, and the diffusion, kept and turned round, with its making."""
        rows, both = sizes["rows"], super().memory(config, sizes)
        kept = 2 * 12.0 * rows * min(config.entries, rows)
        return both + 4 * 13 * rows * config.dim + kept + 4 * 3 * min(BLOCK, rows**2)
