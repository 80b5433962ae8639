"""Pretexts that look at labels of training, for supervised methods alone; source as of `pretexts`, its section 5."""

from typing import Literal

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from torch import Tensor
from torch.nn.functional import one_hot
from torch_geometric.data import Data
from torch_geometric.nn.models import LabelPropagation

from workbench.datasets.structure import adjacency
from workbench.methods.generative.pretexts import BLOCK, PRETEXTS, Pretext, Question, closeness

LABELLED = ("label-distance", "context-label", "corrected-label")
Source = Literal["propagation", "iterative", "both"]
ROUNDS = 10  # of iterative classification


@PRETEXTS.register("label-distance")
def label_distance(graph: Data, generator: torch.Generator) -> Pretext:
    """Ask nodes without a label for the mean of 1 / hops to the labelled nodes of each class (Distance2Labeled)."""
    targets, links = graph.targets.cpu(), adjacency(graph)
    known, classes = (targets >= 0).nonzero()[:, 0], int(targets.max()) + 1
    sums = torch.zeros(classes, len(targets))
    for nodes in known.split(max(1, BLOCK // len(targets))):
        sums.index_add_(0, targets[nodes], torch.from_numpy(closeness(links, nodes.numpy())).float())
    means = sums / torch.bincount(targets[known], minlength=classes).clamp(min=1)[:, None]
    free = (targets < 0).nonzero()[:, 0]
    return Pretext(graph, classes, lambda hidden, epoch: [Question(free, means.T[free])])


@PRETEXTS.register("context-label")
def context_label(graph: Data, generator: torch.Generator, source: Source = "propagation") -> Pretext:
    """Ask for the share of each class among the neighbours and those two hops away, which count apart (ContextLabel).

    Nodes without a label have one by `pseudo_labels`; by "both" this is the release's EnsembleLabel.
    """
    labels = pseudo_labels(graph, source)
    reach, classes = _reach(graph), int(graph.targets.max()) + 1
    items, shares = context(reach, labels, classes)
    return Pretext(graph, classes, lambda hidden, epoch: [Question(items, shares)], shares=True)


@PRETEXTS.register("corrected-label")
def corrected_label(
    graph: Data,
    generator: torch.Generator,
    source: Source = "propagation",
    alpha: float = 1.5,
    nodes: int = 1_000,
    start: int = 0,
) -> Pretext:
    """Ask as `context_label` does and, `alpha` as much, some nodes for shares by labels that are corrected (Corrected).

    Args:
        graph: with targets.
        generator: the stream to draw from.
        source: of the first labels, which each epoch corrects anew.
        alpha: weight of the corrected question.
        nodes: that are drawn for it.
        start: first epoch of it; 0 as released, on an encoder that has learned nothing.
    """
    labels, classes = pseudo_labels(graph, source), int(graph.targets.max()) + 1
    reach = _reach(graph)
    items, shares = context(reach, labels, classes)

    def ask(hidden: Tensor, epoch: int) -> list[Question]:
        asked = [Question(items, shares)]
        if epoch >= start:
            better = context(reach, corrected(hidden.cpu(), labels, classes, generator), classes)[1]
            chosen = torch.randperm(len(items), generator=generator)[:nodes]
            asked.append(Question(items[chosen], better[chosen], alpha))
        return asked

    return Pretext(graph, classes, ask, shares=True)


def context(reach: sp.csr_matrix, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return which nodes reach another [items], and the shares of classes among those they reach [items, classes]."""
    counts = torch.from_numpy(reach @ one_hot(labels, classes).float().numpy())
    items = counts.sum(1).nonzero()[:, 0]
    return items, counts[items] / counts[items].sum(1, keepdim=True)


def pseudo_labels(graph: Data, source: Source) -> Tensor:
    """Return the class of each node, its own where it has one [nodes].

    "propagation" spreads labels along edges, PyG's with 50 rounds at 0.9; "iterative" fits logistic regression to
    attributes, the largest of each node being 1, and to the classes around, for ten rounds (Sen et al., 2008); "both"
    adds their probabilities.
    """
    targets, links = graph.targets.cpu(), adjacency(graph)
    known, classes = targets >= 0, int(targets.max()) + 1
    first = one_hot(targets.clamp(min=0), classes).float() * known[:, None]
    chances = torch.zeros(len(targets), classes)
    if source != "iterative":
        edges = torch.from_numpy(np.stack(links.nonzero())).long()
        spread = LabelPropagation(50, 0.9)(first, edges)
        chances += spread / spread.sum(1, keepdim=True).clamp(min=1e-12)
    if source != "propagation":
        chances += _iterative(graph, links, first, known)
    return torch.where(known, targets, chances.argmax(1))


def _iterative(graph: Data, links: sp.csr_matrix, first: Tensor, known: Tensor) -> Tensor:
    """Return chances of each class by iterative classification [nodes, classes]."""
    # Rows as they are loaded may be of sum 1, so small that the penalty of logistic regression drowns them.
    x = normalize(sp.csr_matrix(graph.x.to_dense().cpu().numpy()), "max")
    labels = first.argmax(1)[known].numpy()
    chances, table = first.clone(), first.numpy()
    if len(np.unique(labels)) < 2:
        return torch.ones_like(first) * first[known][:1]
    for _ in range(ROUNDS):
        around = sp.csr_matrix(normalize(links @ table, "l1"))
        rows = sp.hstack([x, around], format="csr")
        model = LogisticRegression(max_iter=200).fit(rows[known.numpy()], labels)
        chances[:, torch.from_numpy(model.classes_)] = torch.from_numpy(model.predict_proba(rows)).float()
        table = torch.where(known[:, None], first, one_hot(chances.argmax(1), first.shape[1]).float()).numpy()
    return chances


def corrected(
    hidden: Tensor, labels: Tensor, classes: int, generator: torch.Generator, most: int = 320, prototypes: int = 8
) -> Tensor:
    """Return labels of which a sample is set right by prototypes, those amid many similar nodes [nodes].

    Of each class up to `most` nodes are sampled. S being their cosines, the density of a node is the sum of the signs
    of S_ij less S's 40th percentile, its rival the largest similarity to a denser node (of the densest, the least of
    its row); density counts 0 where the rival is .95 or more, and the densest `prototypes` stand for the class. A
    sampled node takes the class to whose prototypes it is most similar on average. Source: Han and others, Deep
    Self-Learning from Noisy Labels, ICCV 2019, as released with SelfTask.

    Args:
        hidden: states of the nodes [nodes, dim].
        labels: of the nodes, from 0 [nodes].
        classes: how many there are; one without a node has no prototypes.
        generator: the stream to draw from.
    """
    sampled, centres, there = [], [], []
    for label in range(classes):
        members = (labels == label).nonzero()[:, 0]
        if not len(members):
            continue
        members = members[torch.randperm(len(members), generator=generator)[:most]]
        rows = torch.nn.functional.normalize(hidden[members])
        similar = rows @ rows.T
        density = (similar - similar.flatten().sort().values[int(0.4 * (similar.numel() - 1))]).sign().sum(1)
        denser = density[None, :] > density[:, None]
        rival = torch.where(denser, similar, -torch.inf).amax(1)
        rival = torch.where(rival.isfinite(), rival, similar.amin(1))
        best = torch.where(rival >= 0.95, 0.0, density).argsort(descending=True, stable=True)[:prototypes]
        sampled.append(members)
        centres.append(rows[best])
        there.append(label)
    nodes = torch.cat(sampled)
    rows = torch.nn.functional.normalize(hidden[nodes])
    near = torch.stack([(rows @ part.T).mean(1) for part in centres], 1).argmax(1)
    return labels.index_copy(0, nodes, torch.tensor(there)[near])


def _reach(graph: Data) -> sp.csr_matrix:
    """Return how often each node counts another: once as a neighbour, once where a path of two leads there."""
    links = adjacency(graph)
    twice = (links @ links).tocsr()
    twice.setdiag(0)
    twice.eliminate_zeros()
    twice.data[:] = 1
    return (links + twice).astype(np.float32)
