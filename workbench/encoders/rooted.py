"""A network that looks at a graph once from each path: the nodes of the path are marked, and messages pass among all.

Marks let it count what messages among unmarked nodes can't, such as cycles. The name is that of a model in the first
version of Revisiting Graph Neural Networks on Graph-level Tasks, whose equations were not at hand: what is marked, and
what is read off, is our reading.
"""

import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric.utils import scatter, to_scipy_sparse_matrix

from workbench.datasets.edits import places
from workbench.datasets.structure import simple_paths
from workbench.encoders.base import ENCODERS, Encoder, Plain
from workbench.encoders.gin import GIN
from workbench.encoders.layers import Activation, Norm, Pooling
from workbench.errors import UserError


@ENCODERS.register("rooted")
class Rooted(GIN):
    """Sums over neighbourhoods in a copy of the graph for each path of k edges, whose nodes are marked by their place.

    The code of a node is the mean, over the paths that begin there, of its code in their copies; 0 where none does.
    With k = 0 a path is the node itself. A copy has the nodes that can be reached from it: of n nodes in one piece
    there are n copies of n nodes, and about as many times more as a node has neighbours for each further edge.

    Args:
        features: attributes of a node.
        dim: width of the embedding.
        k: edges of a path, 0 to 3.
        layers, activation, norm, dropout, pooling, concatenate: as for `GIN`.

    Raises:
        UserError: another k, or what `GIN` refuses.
    """

    def __init__(
        self,
        features: int,
        dim: int,
        k: int = 0,
        layers: int = 4,
        activation: Activation = "relu",
        norm: Norm = "none",
        dropout: float = 0.0,
        pooling: Pooling = "sum",
        concatenate: bool = False,
    ):
        if not 0 <= k <= 3:
            raise UserError(f"k of the encoder is {k}; a path that is marked has 0 to 3 edges", parameter="encoder.k")
        super().__init__(features + k + 1, dim, layers, activation, norm, dropout, pooling, concatenate)
        self.k = k

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return the embedding of nodes [nodes, dim]; arguments as for `Layers`."""
        nodes, paths = len(x), simple_paths(edge_index, len(x), self.k)
        links = to_scipy_sparse_matrix(edge_index.cpu(), num_nodes=nodes)
        piece = torch.from_numpy(connected_components(links)[1]).long().to(x.device)
        by_piece, edges = piece.argsort(stable=True), edge_index[:, piece[edge_index[0]].argsort(stable=True)]
        sizes, entries = (torch.bincount(part, minlength=nodes) for part in (piece, piece[edge_index[0]]))
        first, first_entry = (counts.cumsum(0) - counts for counts in (sizes, entries))
        place = by_piece.argsort() - first[piece]  # of a node within its piece, and so within each copy of that

        of = piece[paths[:, 0]]  # each path has a copy of its piece
        begins = sizes[of].cumsum(0) - sizes[of]
        copied = by_piece[first[of].repeat_interleave(sizes[of]) + places(sizes[of])]
        marks = x.new_zeros(len(copied), self.k + 1)
        for column, node in enumerate(paths.T):
            marks[begins + place[node], column] = 1
        within = place[edges[:, first_entry[of].repeat_interleave(entries[of]) + places(entries[of])]]
        codes = super().forward(torch.cat([x[copied], marks], 1), within + begins.repeat_interleave(entries[of]))
        read: Tensor = scatter(codes[begins + place[paths[:, 0]]], paths[:, 0], 0, nodes, "mean")
        return read

    def plain(self) -> Plain:
        """Refuse: PyG has no layer that marks paths."""
        return Encoder.plain(self)
