"""What SCGC, SCGC* and PamC have in common: a perceptron whose code is clustered while it is trained.

The graph says only which nodes are positives of each other; nothing is summed over neighbours, so that an unseen node
is embedded by its attributes alone. Training begins with epochs of an autoencoder. Where the releases load the file of
SDCN's, which is not at hand, it is trained here by what its script was read to do: Adam at 1e-3, 256 nodes per batch.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Literal

import networkx as nx
import numpy as np
import scipy.sparse as sp
import torch
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch_geometric.data import Data

from workbench.contrast import Contrast
from workbench.datasets.attributes import csr_rows
from workbench.encoders.graph import GraphTensors
from workbench.encoders.mlp import MLP
from workbench.errors import UserError
from workbench.methods.base import PROCESS, ContrastConfig, Step, above, at_least
from workbench.methods.nodes.batches import BatchConfig, NodeMethod
from workbench.objectives.clusters import sharpening, student_assignments
from workbench.randomness import Randomness

STARTS = 20  # of k-means on the code of the autoencoder
PRETRAINING_LR, PRETRAINING_BATCH = 1e-3, 256
SWAPS = 5  # of two edges, for each edge of a rewired graph


@dataclass(frozen=True)
class ClusterConfig(BatchConfig):
    """What the three have; widths and epochs are the authors'.

    Attributes:
        epochs: in all, those of the autoencoder included.
        pretraining: the first so many epochs train the autoencoder alone; k-means on its code gives the first centres.
        centres: of clusters; the authors take as many as there are classes, which is to be known beforehand.
        dim: width of the embedding.
        width, wide: of the encoder's first two layers, and of its third; the decoder's are turned round.
        tau: temperature; the releases multiply by its inverse.
        powers: r, how many steps of a random walk lead from a node to its positives.
        cumulative: positives are those of 1, 2, ... r steps, added up, and not of r steps alone.
        alpha, beta: weights of the contrast, and of the divergence that sharpens the clusters.
        reconstruction: weight of the mean squared error of the decoded attributes after the pre-training.
        links: "graph", or the control "rewired": another graph in which each node has as many links.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "centres", "tau", "powers", "alpha", "beta")

    epochs: int = at_least(0, 230)
    lr: float = above(0, 1e-3)
    weight_decay: float = at_least(0, 0.0)
    pretraining: int = at_least(0, 30)
    centres: int = at_least(1, 10)
    dim: int = at_least(1, 10)
    width: int = at_least(1, 500)
    wide: int = at_least(1, 2000)
    tau: float = at_least(0.05, 4.0)
    powers: int = at_least(1, 1)
    cumulative: bool = False
    alpha: float = at_least(0, 0.5)
    beta: float = at_least(0, 0.1)
    reconstruction: float = at_least(0, 0.0)
    links: Literal["graph", "rewired"] = "graph"


def walks(edge_index: Tensor, nodes: int, powers: int, cumulative: bool, rewire: int | None = None) -> sp.csr_matrix:
    """Return how much each node is a positive of each other: powers of the random walk's matrix [nodes, nodes], CSR.

    That matrix holds each link in both directions and a self-loop at each node, its rows divided by their sums.

    Args:
        edge_index: [2, edges]; directions, repeats and self-loops make no difference.
        nodes: how many there are.
        powers: the highest. cumulative: whether the lower ones are added to it.
        rewire: a seed, by which links are swapped at random so that each node keeps its number; None leaves them.
    """
    first, second = edge_index.cpu().numpy()
    links = np.unique(np.sort(np.stack([first, second])[:, first != second], axis=0), axis=1)
    if rewire is not None:
        links = _rewired(links, nodes, rewire)
    both = np.concatenate([links, links[::-1]], 1)
    graph = sp.csr_matrix((np.ones(both.shape[1], np.float32), both), (nodes, nodes)) + sp.eye(nodes, dtype=np.float32)
    step = normalize(graph, "l1")
    power = total = step
    for _ in range(powers - 1):
        power = power @ step
        total = total + power if cumulative else power
    return total.tocsr()


def _rewired(links: np.ndarray[Any, Any], nodes: int, seed: int) -> np.ndarray[Any, Any]:
    graph, swaps = nx.Graph(links.T.tolist()), SWAPS * links.shape[1]
    try:
        nx.double_edge_swap(graph, swaps, max_tries=50 * swaps, seed=seed)
    except nx.NetworkXException as error:
        raise UserError(
            f"links='rewired' finds no other graph of {nodes} nodes with as many links at each; links='graph' is left",
            parameter="links",
        ) from error
    return np.array(graph.edges).T


class ClusterMethod(NodeMethod):
    """A perceptron with a decoder, and centres that are trained; a subclass says what its contrast is.

    Terms that an epoch does not train are 0 in the history. Learned assignments are `details["cluster"]`.
    """

    encoder: MLP

    def __init__(self, config: Any, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        nodes, features = map(int, inputs.x.shape)
        if config.centres > nodes:
            asked = f"{config.centres} centres of clusters were asked for"
            raise UserError(f"{asked}; {nodes} nodes give 1 to {nodes}", parameter="centres")
        widths = [config.dim, config.wide, config.width, config.width, features]
        layers = [module for a, b in pairwise(widths) for module in (nn.Linear(a, b), nn.ReLU())]
        self.decoder = nn.Sequential(*layers[:-1])
        self.centres = nn.Parameter(torch.zeros(config.centres, config.dim))
        self.order, self.pretrains = randomness.generator("pretraining"), config.pretraining > 0
        rewire = randomness.integer("links") if config.links == "rewired" else None
        self.walks = walks(inputs.edge_index, nodes, config.powers, config.cumulative, rewire)

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> MLP:
        """Return four linear layers with ReLU between them."""
        return MLP(shape["features"], config.dim, hidden=(config.width, config.width, config.wide), norm=False)

    @classmethod
    def hops(cls, config: Any) -> int:
        """Return from how far away attributes reach the loss of an anchor: from nowhere else."""
        return 0

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Begin with the autoencoder; after it, find centres and start the optimiser anew."""
        self.pretrains = epoch < self.config.pretraining
        for group in optimiser.param_groups:
            group["lr"] = PRETRAINING_LR if self.pretrains else self.config.lr
        if epoch == self.config.pretraining:
            optimiser.state.clear()
            self.find_centres()

    @torch.no_grad()
    def find_centres(self) -> None:
        """Put the centres where k-means finds them in the code as it is."""
        codes = self.encoder.embed(self.inputs)
        kmeans = KMeans(self.config.centres, n_init=STARTS, random_state=self.randomness.integer("centres"))
        self.centres.copy_(torch.from_numpy(kmeans.fit(codes.cpu().numpy()).cluster_centers_))

    def batches(self) -> Iterable[Data]:
        """Yield batches of attributes alone for the autoencoder, then the graph or batches of it."""
        if not self.pretrains:
            yield from super().batches()
            return
        x = GraphTensors.of(self.inputs).x
        none = torch.empty(2, 0, dtype=torch.long, device=x.device)
        for ids in torch.randperm(len(x), generator=self.order).to(x.device).split(PRETRAINING_BATCH):
            yield Data(x=x[ids] if x.layout == torch.strided else csr_rows(x, ids), edge_index=none, n_id=ids)

    def step(self, batch: Data) -> Step:
        """Train the autoencoder, or contrast, sharpen the clusters, and decode where that has a weight."""
        c, graph = self.config, GraphTensors.of(batch)
        z = self.encoder(graph.whole)
        zero = z.new_zeros(())
        if self.pretrains:
            return Step({"contrast": zero, "clusters": zero, "reconstruction": self.decoding(z, graph)})
        assigned = student_assignments(z, self.centres)
        contrast, losses = self.contrasted(batch, z, assigned)
        decoding = self.decoding(z, graph) if c.reconstruction else zero
        terms = {"contrast": losses.mean(), "clusters": sharpening(assigned).mean(), "reconstruction": decoding}
        weights = {"contrast": c.alpha, "clusters": c.beta, "reconstruction": c.reconstruction}
        return Step(terms, weights, {"contrast": contrast, "projections": (z,)})

    @abstractmethod
    def contrasted(self, batch: Data, z: Tensor, assigned: Tensor) -> tuple[Contrast, Tensor]:
        """Return the contrast and the loss of each anchor [anchors].

        Args:
            batch: the graph, or a batch of it.
            z: embeddings of the anchors [anchors, dim].
            assigned: how much each belongs to each cluster [anchors, clusters].
        """

    def decoding(self, z: Tensor, graph: GraphTensors) -> Tensor:
        """Return the mean squared error of the attributes that are decoded of embeddings [anchors, dim]."""
        x = graph.whole.first(len(z)).x
        return mse_loss(self.decoder(z), x if x.layout == torch.strided else x.to_dense())

    def positives(self, batch: Data) -> tuple[Tensor, Tensor]:
        """Return the positives among the anchors of a batch: pairs of rows [2, pairs] and the mass of each [pairs]."""
        anchors = self.sampled_anchors(batch)
        if anchors is None:
            return self._positives
        ids = anchors.cpu().numpy()
        return self._pairs(self.walks[ids][:, ids])

    @cached_property
    def _positives(self) -> tuple[Tensor, Tensor]:
        return self._pairs(self.walks)

    def _pairs(self, walks: sp.csr_matrix) -> tuple[Tensor, Tensor]:
        walks, device = walks.tocoo(), self.inputs.edge_index.device
        pairs = torch.from_numpy(np.stack([walks.row, walks.col]).astype(np.int64))
        return pairs.to(device), torch.from_numpy(walks.data).to(device)

    def details(self) -> dict[str, Tensor]:
        """Return the cluster that each node belongs to most, "cluster" [nodes], nothing before there are centres."""
        if not self.centres.any():
            return {}
        return {"cluster": student_assignments(self.encoder.embed(self.inputs), self.centres).argmax(1)}

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the peak: layers and their gradients, of the decoder too where it is kept, pairs, and weights."""
        rows, features, edges = sizes["rows"], sizes["features"], sizes.get("edges", 0)
        layers = rows * (2 * config.width + config.wide + config.dim)
        numbers = 3 * layers + (3 * (layers + rows * features) if config.reconstruction else 0)
        numbers += 10 * cls.encoder_numbers(config, sizes) + 5 * rows * config.centres * config.dim
        reached = min(rows * (1 + edges / rows) ** config.powers, rows**2)
        pairs = config.pair_bytes(rows, 1) if isinstance(config, ContrastConfig) else 0
        return PROCESS + cls.graph_bytes(sizes) + 4 * numbers + 100 * reached + pairs
