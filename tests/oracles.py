"""Plain re-statements that read like the paper: dense, slow and right. What is fast is compared with them."""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.contrast import Contrast


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


def dense_contrast(
    c: Contrast, u: Tensor, v: Tensor | None, objective: str = "infonce", positive_weight: float = 1.0
) -> Tensor:
    """Paired rows, with every pair written out: P and W as full matrices; the loss of each row."""
    n, eye = len(u), torch.eye(len(u), dtype=u.dtype)
    positive_weight = positive_weight if objective == "infonce" else 0.0
    if c.similarity == "cosine":
        u, v = normalize(u, dim=1), None if v is None else normalize(v, dim=1)
    w = torch.ones(n, n, dtype=u.dtype)
    if isinstance(c.weights, tuple) and c.candidates is None:
        w = c.weights[0] @ c.weights[1].T
    elif c.candidates is not None:
        listed = c.candidates.expand(n, -1) if c.candidates.dim() == 1 else c.candidates
        values = torch.ones(listed.shape, dtype=u.dtype)
        if isinstance(c.weights, tuple):
            values = c.weights[0] @ c.weights[1].T
        elif c.weights is not None:
            values = c.weights.expand(listed.shape)
        w = torch.zeros(n, n, dtype=u.dtype).scatter_add(1, listed, values)
    elif c.weights is not None:
        w = c.weights.expand(n, n)
    p = eye if c.positives is None else torch.zeros_like(eye).index_put(tuple(c.positives[0]), c.positives[1])
    b = torch.zeros(n, dtype=u.dtype) if c.bias is None else c.bias
    w_cross, w_same = w * (1 - eye) + positive_weight * eye, w * (1 - eye)
    losses = []
    for a, o in ((u, u),) if v is None else ((u, v), (v, u)):
        if objective == "cacr":
            losses.append(dense_cacr(c, a, o, w_same, p, both=v is not None and c.same_view))
            continue
        cross, same = ((a @ x.T / c.tau + b).double() for x in (o, a))
        peak = cross.detach().amax(1, keepdim=True)
        denominator = (w_cross * (cross - peak).exp()).sum(1)
        if v is not None and c.same_view:
            denominator = denominator + (w_same * (same - peak).exp()).sum(1)
        if c.mixed is not None:
            for bank in (o, a) if v is not None and c.same_view else (o,):
                for i in range(n):
                    for first, second in zip(c.mixed.first[i], c.mixed.second[i], strict=True):
                        other = a[i] if second == i else bank[second]
                        mix = c.mixed.share[0] * bank[first] + (1 - c.mixed.share[0]) * other
                        logit = a[i] @ (mix / mix.norm()).detach() / c.tau
                        denominator = denominator + torch.eye(n)[i] * (logit - peak[i]).exp()
        if c.class_prior:
            banks, own = 1 + (v is not None and c.same_view), cross.diag()
            negative = denominator * peak[:, 0].exp() - positive_weight * own.exp()
            count = banks * w_same.sum(1)
            corrected = (negative - c.class_prior * count * own.exp()) / (1 - c.class_prior)
            least = count * math.exp(-1 / c.tau)
            denominator = (torch.maximum(corrected, least) + positive_weight * own.exp()) * (-peak[:, 0]).exp()
        logs = (p * (cross - peak).exp()).sum(1).log() + peak[:, 0]
        if objective == "dclw":
            logs = logs * (2 - n * (cross.diag().detach() * c.tau / 0.5).softmax(0))
        losses.append(torch.where(denominator > 0, denominator.log() + peak[:, 0] - logs, 0.0))
    return torch.stack(losses).mean(0).to(u.dtype)


def dense_cacr(c: Contrast, a: Tensor, o: Tensor, w: Tensor, p: Tensor, both: bool) -> Tensor:
    """Attraction minus repulsion by a loop over the anchors."""
    rows = []
    for i in range(len(a)):
        near = [(2 - 2 * a[i] @ bank[j], w[i, j]) for bank in ((o, a) if both else (o,)) for j in range(len(a))]
        near = [(cost, weight) for cost, weight in near if weight > 0]
        pulled = [(2 - 2 * a[i] @ o[j], p[i, j]) for j in range(len(a)) if p[i, j] > 0]
        total = sum(m * cost.exp() * cost for cost, m in pulled) / sum(m * cost.exp() for cost, m in pulled)
        if near:
            t = 1 / (2 * c.tau)
            pushed = sum(m * (-t * cost).exp() * cost for cost, m in near)
            total = total - pushed / sum(m * (-t * cost).exp() for cost, m in near)
        rows.append(total)
    return torch.stack(rows).double()


def dense_ratio(c: Contrast, u: Tensor, v: Tensor, positive_weight: float = 1.0) -> Tensor:
    """Anchors u against other things v: the ratio of the table of fillings, with P and W as full matrices [anchors]."""
    anchors, others = len(u), len(v)
    p = torch.eye(anchors, others, dtype=u.dtype)
    if c.positives is not None:
        p = torch.zeros_like(p).index_put(tuple(c.positives[0]), c.positives[1], accumulate=True)
    columns = (torch.arange(others) if c.candidates is None else c.candidates).expand(anchors, -1)
    values = c.weights[0] @ c.weights[1].T if isinstance(c.weights, tuple) else c.weights
    values = torch.ones(1, dtype=u.dtype) if values is None else values
    w = torch.zeros_like(p).scatter_add(1, columns, values.expand(columns.shape))
    e = (normalize(u, dim=1) @ normalize(v, dim=1).T / c.tau + (0.0 if c.bias is None else c.bias)).exp()
    above, below = (p * e).sum(1), (w * torch.where(p > 0, positive_weight, 1.0) * e).sum(1)
    return below.where(below > 0, above).log() - above.log()  # 0 where there is nothing to be told from
