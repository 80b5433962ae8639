"""LightGCL: LightGCN, whose users and items are contrasted with a second view made of few singular vectors.

Cai, Huang, Xia, Ren: LightGCL: Simple Yet Effective Graph Contrastive Learning for Recommendation. ICLR 2023,
arXiv 2302.08191.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from scipy.sparse import csr_matrix
from sklearn.utils.extmath import randomized_svd
from torch import Tensor
from torch_geometric.data import HeteroData

from workbench.contrast.pairs import Contrast
from workbench.methods.base import METHODS, Step, above, at_least, rate
from workbench.methods.bipartite import lightgcn
from workbench.methods.bipartite.lightgcn import own_among_all
from workbench.methods.bipartite.triples import Triples
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness
from workbench.views.edges import keep_edges

OVERSAMPLED = 50  # directions beyond the rank that the decomposition looks at, which makes it all but exact
BUDGET_MIB = 64.0


@dataclass(frozen=True)
class LightGCLConfig(lightgcn.LightGCNConfig):
    """Configuration of LightGCL; the defaults are the authors' for Yelp.

    Attributes:
        penalty: weight of the squared norm of all learned embeddings together.
        rank: singular vectors of the second view.
        view: those of the interactions ("svd"), or a control, "random" orthonormal vectors with the same values.
        tau: temperature of the contrast.
        contrast: weight of the contrast, that of users and that of items added up.
        clamp: bounds the logit of a positive pair on both sides; a pair beyond it is no longer drawn together. 0 bounds
            none.
        edge_drop: rate of interactions that a step does not propagate along, drawn for each direction apart.
    """

    main = ("epochs", "lr", "dim", "contrast", "tau")

    epochs: int = at_least(0, 100)
    layers: int = at_least(0, 2)
    combine: Literal["mean", "sum"] = "sum"
    start: Literal["normal", "xavier"] = "xavier"
    penalty: float = at_least(0, 1e-7)
    draw: Literal["users", "interactions"] = "interactions"
    batch_size: int = at_least(1, 4096)
    rank: int = at_least(1, 5)
    view: Literal["svd", "random"] = "svd"
    tau: float = above(0, 0.2)
    contrast: float = at_least(0, 0.2)
    clamp: float = at_least(0, 5.0)
    edge_drop: float = rate(0.0)


@METHODS.register("lightgcl")
class LightGCL(lightgcn.LightGCN):
    """InfoNCE by inner products between the view of the singular vectors and that of the graph, beside the ranking.

    Differs from the release: the decomposition is more accurate, and nothing is added to the sum in the logarithm. The
    learned embeddings are the first layer of both views, as there.
    """

    Config = LightGCLConfig

    def __init__(self, config: LightGCLConfig, inputs: HeteroData, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator = randomness.generator("views")
        self.factors = self.decompose(randomness.integer("decomposition"))

    def decompose(self, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return U [users, rank], S [rank] and V [items, rank] of the block of users and items of the adjacency."""
        users, whole = self.encoder.sizes[0], self.adjacency.cpu()
        parts = (part.numpy() for part in (whole.values().double(), whole.col_indices(), whole.crow_indices()))
        block = csr_matrix(tuple(parts), tuple(whole.shape))[:users, users:]
        u, s, v = randomized_svd(block, self.config.rank, n_oversamples=OVERSAMPLED, n_iter=10, random_state=seed)
        sides = [torch.from_numpy(side.copy()) for side in (u, v.T)]
        if self.config.view == "random":
            drawn = (torch.randn(side.shape, generator=self.generator, dtype=side.dtype) for side in sides)
            sides = [torch.linalg.qr(side).Q for side in drawn]
        u, s, v = (part.float().to(self.adjacency.device) for part in (sides[0], torch.from_numpy(s), sides[1]))
        return u, s, v

    def step(self, batch: Triples) -> Step:
        """Rank as LightGCN does; contrast the users and items of the batch with all users and all items."""
        layers = self.encoder.layers(self.dropped(), symmetric=not self.config.edge_drop)
        users, items = self.encoder.combined(layers)
        terms = {"ranking": self.ranking(users, items, batch), "norms": self.norms(batch)}
        weights, kept = {"norms": self.config.penalty, "contrast": self.config.contrast}, {}
        if self.config.contrast:
            low_users, low_items = self.encoder.combined(self.low_rank(layers))
            by_user, contrast = self.contrasted(low_users, users, batch.user)
            by_item, _ = self.contrasted(low_items, items, torch.cat([batch.positive, batch.negative]))
            terms["contrast"] = by_user + by_item
            kept = {"contrast": contrast, "projections": (low_users[contrast.nodes], users)}
        return Step(terms, weights, kept)

    def dropped(self) -> Tensor:
        """Return the adjacency, with some interactions dropped and the others weighing more for it."""
        whole, rate = self.adjacency, self.config.edge_drop
        if not rate:
            return whole
        places, values = (whole.crow_indices(), whole.col_indices()), whole.values()
        stays = keep_edges(len(values), rate, self.generator, device=whole.device)
        return torch.sparse_csr_tensor(*places, values * stays / (1 - rate), whole.shape, check_invariants=False)

    def low_rank(self, layers: list[Tensor]) -> list[Tensor]:
        """Return the layers of the second view, each U S V^T times the graph's layer before, never U S V^T itself."""
        u, s, v = self.factors
        before = [layer.split(self.encoder.sizes) for layer in layers[:-1]]
        return layers[:1] + [torch.cat([(u * s) @ (v.T @ items), (v * s) @ (u.T @ users)]) for users, items in before]

    def contrasted(self, anchors: Tensor, candidates: Tensor, numbers: Tensor) -> tuple[Tensor, Contrast]:
        """Return the mean loss of anchors against all candidates, and the contrast.

        Args:
            anchors: the second view of all [rows, dim].
            candidates: the view of the graph [rows, dim].
            numbers: the anchors of the batch; one that is repeated is computed once and counts as often.
        """
        contrast, counts = own_among_all(numbers, self.config.tau, "dot")
        rows = contrast.nodes
        loss = infonce(contrast, anchors[rows], candidates, BUDGET_MIB)
        if self.config.clamp:
            logits = (anchors[rows] * candidates[rows]).sum(1) / self.config.tau
            loss = loss + logits - logits.clamp(-self.config.clamp, self.config.clamp)
        return (loss * counts).sum() / len(numbers), contrast

    def norms(self, batch: Triples) -> Tensor:
        """Return the squared norm of all learned embeddings together."""
        return self.encoder.user.square().sum() + self.encoder.item.square().sum()

    @classmethod
    def memory(cls, config: LightGCLConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: as LightGCN, the layers of the second view, and blocks of pairs."""
        layers = 4 * 3 * config.layers * sizes["rows"] * config.dim
        pairs = min(config.batch_size * sizes["users"] + 2 * config.batch_size * sizes["items"], BUDGET_MIB * 2**18)
        return super().memory(config, sizes) + layers + 16 * pairs
