"""SGL: LightGCN, whose users and items are contrasted between two sub-graphs of the interactions.

Wu, Wang, Feng, He, Chen, Lian, Xie: Self-supervised Graph Learning for Recommendation. SIGIR 2021, arXiv 2010.10783.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch_geometric.data import HeteroData

from workbench.contrast.pairs import Contrast
from workbench.datasets.bipartite import interactions
from workbench.encoders.lightgcn import normalised
from workbench.methods.base import METHODS, Step, above, at_least, rate
from workbench.methods.bipartite import lightgcn
from workbench.methods.bipartite.triples import Triples
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness
from workbench.views.edges import keep_interactions

BUDGET_MIB = 64.0


@dataclass(frozen=True)
class SGLConfig(lightgcn.LightGCNConfig):
    """Configuration of SGL; the defaults are the authors' for Yelp2018.

    Attributes:
        drop: what a sub-graph lacks: a share of the "edges", of the "nodes", or in each "layer" of other edges.
        drop_rate: the share.
        tau: temperature of the contrast.
        contrast: weight of the contrast, that of users and that of items added up.
        reduction: the "sum" of the losses of a batch, as released, or their "mean".
    """

    main = ("epochs", "lr", "dim", "contrast", "drop_rate")

    start: Literal["normal", "xavier"] = "xavier"
    drop: Literal["edges", "nodes", "layer"] = "edges"
    drop_rate: float = rate(0.1)
    tau: float = above(0, 0.2)
    contrast: float = at_least(0, 0.1)
    reduction: Literal["sum", "mean"] = "sum"


@METHODS.register("sgl")
class SGL(lightgcn.LightGCN):
    """Anchors are users and positive items of the batch in one sub-graph, candidates all users (items) in the other.

    By cosine, in one direction, the node itself in the denominator. Both sub-graphs are drawn once an epoch and weigh
    what is left by its own degrees. Differs from the release: the last epoch counts, where it stops after ten tests
    without a gain on the held-out interactions themselves; a negative is drawn without rejection.
    """

    Config = SGLConfig

    def __init__(self, config: SGLConfig, inputs: HeteroData, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator, self.views = randomness.generator("views"), list[list[Tensor]]()

    def batches(self) -> Iterable[Triples]:
        """Draw two sub-graphs, and yield triples."""
        config = self.config
        if config.contrast:
            count = config.layers if config.drop == "layer" else 1
            graphs = [[self.sub_graph() for _ in range(count)] for _ in range(2)]
            self.views = [drawn if config.drop == "layer" else drawn * config.layers for drawn in graphs]
        yield from super().batches()

    def sub_graph(self) -> Tensor:
        """Return the normalised adjacency of some interactions."""
        sizes, by = self.encoder.sizes, "nodes" if self.config.drop == "nodes" else "edges"
        pairs = interactions(self.inputs).unique(dim=1)
        return normalised(keep_interactions(pairs, sizes, self.config.drop_rate, self.generator, by), *sizes)

    def step(self, batch: Triples) -> Step:
        """Rank as LightGCN does; contrast the users and positive items of the batch with all of the other sub-graph."""
        users, items = self.encoder.combined(self.encoder.layers(self.adjacency))
        terms = {"ranking": self.ranking(users, items, batch), "norms": self.norms(batch)}
        weights, kept = {"norms": self.config.penalty, "contrast": self.config.contrast}, {}
        if self.config.contrast:
            first, second = (self.encoder.combined(self.encoder.layers(graphs)) for graphs in self.views)
            by_user, contrast = self.contrasted(first[0], second[0], batch.user)
            terms["contrast"] = by_user + self.contrasted(first[1], second[1], batch.positive)[0]
            kept = {"contrast": contrast, "projections": (first[0][contrast.nodes], second[0])}
        if self.config.reduction == "sum":
            terms = {name: term * len(batch.user) for name, term in terms.items()}
        return Step(terms, weights, kept)

    def contrasted(self, anchors: Tensor, candidates: Tensor, numbers: Tensor) -> tuple[Tensor, Contrast]:
        """Return the mean loss of a batch's rows of one view against all of the other, and the contrast.

        Args:
            anchors, candidates: both views of all users, or of all items [rows, dim].
            numbers: the rows of the batch; one that is repeated is computed once and counts as often.
        """
        contrast, counts = lightgcn.own_among_all(numbers, self.config.tau, "cosine")
        loss = infonce(contrast, anchors[contrast.nodes], candidates, BUDGET_MIB)
        return (loss * counts).sum() / len(numbers), contrast

    @classmethod
    def memory(cls, config: SGLConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: as LightGCN, the layers and adjacencies of two sub-graphs, and blocks of pairs."""
        layers = 4 * 4 * config.layers * sizes["rows"] * config.dim
        graphs = 80 * sizes["interactions"] * (config.layers if config.drop == "layer" else 1)
        pairs = min(config.batch_size * (sizes["users"] + sizes["items"]), BUDGET_MIB * 2**18)
        return super().memory(config, sizes) + layers + graphs + 16 * pairs
