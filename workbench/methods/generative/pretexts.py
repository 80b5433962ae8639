"""Pretexts: targets that a graph gives by itself, for nodes or pairs of nodes.

Jin, Derr, Liu, Wang, Wang, Liu, Tang: Self-supervised Learning on Graphs: Deep Insights and New Direction.
arXiv 2006.10141, sections 3 and 5, and the released SelfTask-GNN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, normalize
from torch_geometric.data import Data

from workbench.datasets.links import links_of, pairs_without_link
from workbench.datasets.structure import Positions, adjacency, degree, partition
from workbench.errors import UserError
from workbench.registry import Registry

SOURCES = 512  # nodes from which hops are counted in one epoch
BLOCK = 1 << 22  # cosines looked at in one go


class Question(NamedTuple):
    """What is asked of the hidden states in one epoch.

    Attributes:
        items: numbers of nodes [items], or pairs of them [2, items], of which |h_u - h_v| is looked at.
        targets: classes, int64 [items]; or numbers, float32 [items, outputs].
        weight: of this question's loss.
    """

    items: Tensor
    targets: Tensor
    weight: float = 1.0


Asking = Callable[[Tensor, int], list[Question]]
"""Returns the questions of an epoch, from the hidden states without gradient [nodes, dim] and the epoch's number."""


@dataclass(frozen=True)
class Pretext:
    """What a pretext makes of a graph.

    Attributes:
        graph: what the encoder sees, attributes and edges.
        outputs: of the head.
        ask: the questions of an epoch.
        shares: whether the head's outputs are turned into shares by a softmax before they are held against numbers.
        broadcast: whether each output is held against each target, as the release does by a slip of shapes.
    """

    graph: Data
    outputs: int
    ask: Asking
    shares: bool = False
    broadcast: bool = False

    def loss(self, answers: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy of classes, or the mean squared error of numbers; answers are [items, outputs]."""
        if not targets.is_floating_point():
            return cross_entropy(answers, targets)
        answers = answers.softmax(1) if self.shares else answers
        if self.broadcast:  # the mean over all pairs of an answer and a target
            return mse_loss(answers, targets.mean().expand_as(answers)) + targets.var(correction=0)
        return mse_loss(answers, targets)


PRETEXTS: Registry[Callable[..., Pretext]] = Registry("pretext", "workbench.methods.generative", "PRETEXTS")


@PRETEXTS.register("degree")
def degrees(graph: Data, generator: torch.Generator) -> Pretext:
    """Ask whether a node has up to 2, 3 to 7, or more neighbours (NodeProperty)."""
    nodes, classes = _all(graph), torch.from_numpy(np.digitize(degree(graph), (3, 8)))
    return Pretext(graph, 3, lambda hidden, epoch: [Question(nodes, classes)])


@PRETEXTS.register("edge-mask")
def edge_mask(graph: Data, generator: torch.Generator, share: float = 0.1) -> Pretext:
    """Ask which pairs have a link, of links that were taken away once, and as many others (EdgeMask).

    Differs from the release: both directions of a link go together, and the other pairs are drawn anew each epoch.
    """
    links, nodes = links_of(graph), int(graph.num_nodes or 0)
    gone = links[:, _draw(generator).permutation(links.shape[1])[: int(np.ceil(share * links.shape[1]))]]
    _enough(gone.shape[1], "edge-mask takes links away, and this graph has none")
    low, high = graph.edge_index.cpu().aminmax(dim=0)
    stays = ~torch.isin(low * nodes + high, torch.from_numpy(gone[0] * nodes + gone[1]))
    seen = Data(x=graph.x, edge_index=graph.edge_index[:, stays.to(graph.edge_index.device)], num_nodes=nodes)

    def ask(hidden: Tensor, epoch: int) -> list[Question]:
        others = pairs_without_link(links, (nodes,), gone.shape[1], _draw(generator))
        targets = torch.arange(2).flip(0).repeat_interleave(torch.tensor([gone.shape[1], others.shape[1]]))
        return [Question(torch.from_numpy(np.hstack([gone, others])), targets)]

    return Pretext(seen, 2, ask)


@PRETEXTS.register("pair-distance")
def pair_distance(graph: Data, generator: torch.Generator, pairs: int = 4_000, most: int = 4) -> Pretext:
    """Ask how many hops apart two nodes are: 1, 2, ... or `most` and more, no path included (PairwiseDistance).

    Each epoch draws up to so many pairs of each class, of those that start at 512 nodes drawn before.
    """
    links, nodes = adjacency(graph), int(graph.num_nodes or 0)
    _enough(nodes - 1, "pair-distance asks for pairs of nodes, and this graph has one node")

    def ask(hidden: Tensor, epoch: int) -> list[Question]:
        draw = _draw(generator)
        sources = draw.permutation(nodes)[:SOURCES]
        hops, items, classes = hops_from(links, sources, most), list[NDArray[np.int64]](), list[int]()
        for hop in range(1, most + 1):
            places = np.flatnonzero(hops == hop)
            chosen = places[draw.integers(len(places), size=min(pairs, len(places)))] if len(places) else places
            items.append(np.stack([sources[chosen // nodes], chosen % nodes]))
            classes += [hop - 1] * len(chosen)
        return [Question(torch.from_numpy(np.hstack(items)), torch.tensor(classes))]

    return Pretext(graph, most, ask)


@PRETEXTS.register("cluster-distance")
def cluster_distance(
    graph: Data, generator: torch.Generator, parts: int = 10, centres: Literal["degree", "index"] = "degree"
) -> Pretext:
    """Ask for 1 / hops to the node of highest degree in each part of the graph, 0 without a path (Distance2Cluster).

    A centre's own target is 1. Differs from the release: parts are those of `partition`, not METIS's. By "index" its
    fault is kept: the place of the centre inside its part is taken for the node of that number, with target 0.
    """
    part, many = partition(graph, parts), degree(graph)
    order = np.lexsort((np.arange(len(part)), -many, part))
    chosen = order[np.searchsorted(part[order], np.arange(parts))]
    if centres == "index":
        chosen = np.array([np.flatnonzero(part == number).searchsorted(node) for number, node in enumerate(chosen)])
    targets = closeness(adjacency(graph), chosen, 0.0 if centres == "index" else 1.0)
    return Pretext(graph, parts, _fixed(_all(graph), torch.from_numpy(targets.T).float()))


@PRETEXTS.register("attribute-mask")
def attribute_mask(graph: Data, generator: torch.Generator, share: float = 0.1) -> Pretext:
    """Ask for the attributes of nodes that lost them once, of those without a label to learn (AttributeMask)."""
    free = (graph.targets < 0).cpu().nonzero()[:, 0] if "targets" in graph else _all(graph)
    hidden_ones = free[torch.randperm(len(free), generator=generator)[: int(np.ceil(share * len(free)))]]
    _enough(len(hidden_ones), "attribute-mask hides attributes of nodes without a label, and all of these have one")
    x = graph.x.to_dense()
    seen = Data(x=x.index_fill(0, hidden_ones.to(x.device), 0), edge_index=graph.edge_index, num_nodes=len(x))
    return Pretext(seen, x.shape[1], _fixed(hidden_ones, x[hidden_ones.to(x.device)].cpu()))


@PRETEXTS.register("attribute-similarity")
def attribute_similarity(
    graph: Data, generator: torch.Generator, pairs: int = 5_000, broadcast: bool = False
) -> Pretext:
    """Ask for the cosine of attributes of a node and its 3 least, 4 most similar and 3 random others (PairwiseAttrSim).

    Each epoch draws so many of these pairs. `broadcast` keeps the release's fault: each answer is held against all
    targets, so that their mean is the best answer.
    """
    x = normalize(graph.x.to_dense().cpu())
    nodes = len(x)
    _enough(nodes - 1, "attribute-similarity asks for pairs of nodes, and this graph has one node")
    partners, targets = list[Tensor](), list[Tensor]()
    for rows in torch.arange(nodes).split(max(1, BLOCK // nodes)):
        cosines = x[rows] @ x.T
        own, others = (torch.arange(len(rows)), rows), nodes - 1
        cosines[own] = torch.inf
        least = cosines.topk(min(3, others), largest=False).indices
        cosines[own] = -torch.inf
        drawn = torch.randint(1, nodes, (len(rows), min(3, others)), generator=generator) + rows[:, None]
        partners.append(torch.cat([least, cosines.topk(min(4, others)).indices, drawn % nodes], 1))
        targets.append(cosines.gather(1, partners[-1]))
    width, asked = partners[0].shape[1], torch.cat(targets).view(-1, 1)
    items = torch.stack([torch.arange(nodes).repeat_interleave(width), torch.cat(partners).flatten()])

    def ask(hidden: Tensor, epoch: int) -> list[Question]:
        chosen = torch.randperm(len(asked), generator=generator)[:pairs]
        return [Question(items[:, chosen], asked[chosen])]

    return Pretext(graph, 1, ask, broadcast=broadcast)


def hops_from(links: sp.csr_matrix, sources: Positions, most: int) -> NDArray[np.int8]:
    """Return the hops from some nodes to all, `most` where they are more or there is no path [sources, nodes]."""
    hops = np.full((len(sources), links.shape[0]), most, np.int8)
    reached = sp.identity(links.shape[0], dtype=bool, format="csr")[sources]
    steps = [reached := (reached + reached @ links).astype(bool) for _ in range(most - 1)]
    for hop in range(most - 1, 0, -1):
        hops[steps[hop - 1].nonzero()] = hop
    hops[np.arange(len(sources)), sources] = 0
    return hops


def closeness(links: sp.csr_matrix, sources: Positions, own: float = 1.0) -> NDArray[np.float64]:
    """Return 1 / hops from some nodes to all, 0 without a path and `own` to themselves [sources, nodes]."""
    hops = dijkstra(links, directed=False, indices=sources, unweighted=True)
    hops[hops == 0] = np.inf if own == 0 else 1 / own
    near: NDArray[np.float64] = 1 / hops
    return near


def _all(graph: Data) -> Tensor:
    return torch.arange(int(graph.num_nodes or 0))


def _fixed(items: Tensor, targets: Tensor) -> Asking:
    """Return what asks the same in each epoch."""
    return lambda hidden, epoch: [Question(items, targets)]


def _draw(generator: torch.Generator) -> np.random.Generator:
    """Return a stream of numpy's that starts where one of torch's stands."""
    return np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))


def _enough(count: int, sentence: str) -> None:
    """Raise a UserError where nothing is left to ask for."""
    if count < 1:
        raise UserError(sentence, parameter="pretext")
