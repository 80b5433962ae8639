"""Plain re-statements that read like the paper: dense, slow and right. What is fast is compared with them."""

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data


def plain_contrast(u: Tensor, v: Tensor, tau: float) -> Tensor:
    """GRACE's loss with every similarity matrix kept, each direction on its own; the mean over nodes."""

    def direction(a: Tensor, b: Tensor) -> Tensor:
        a, b = normalize(a, dim=1), normalize(b, dim=1)
        own, cross = (a @ a.T / tau).exp(), (a @ b.T / tau).exp()
        return -(cross.diag() / (own.sum(1) + cross.sum(1) - own.diag())).log()

    return ((direction(u, v) + direction(v, u)) / 2).mean()


def plain_rules(graph: Data, components: Tensor) -> tuple[Tensor, Tensor]:
    """Both soft rules with dense adjacencies and loops over nodes (components [nodes, 8] given)."""
    nodes, (source, target) = int(graph.num_nodes or 0), graph.edge_index
    degree = torch.tensor([float((source == v).sum() + (target == v).sum()) for v in range(nodes)])
    adjacency = torch.zeros(nodes, nodes)
    adjacency.index_put_((source, target), torch.ones(len(source)), accumulate=True)
    without_loops = adjacency.clone().fill_diagonal_(0)
    log_sum = torch.log1p(without_loops @ degree)
    unit = normalize(components, dim=1)
    similarity = unit @ unit.T
    local = adjacency * similarity
    means = torch.zeros(nodes)
    for v in range(nodes):
        found = local[v][local[v] != 0]
        if len(found):
            means[v] = found.mean()
    delta = (means - similarity.mean(1) + 1) / 2
    return log_sum.max() - log_sum, delta.max() - delta
