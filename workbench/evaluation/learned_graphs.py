"""What a learned graph is worth beside those that it was made of: a fresh graph convolution is trained along each."""

from typing import Any

import pandas as pd
import torch
from sklearn.metrics import f1_score
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.init import xavier_uniform_

from workbench.datasets.hetero import target_type
from workbench.datasets.kinds import kind_of
from workbench.encoders.fused import Fused, knn_graph, normalised
from workbench.encoders.lightgcn import SymmetricProduct
from workbench.encoders.sparse import Pattern
from workbench.errors import UserError
from workbench.evaluation import protocols
from workbench.evaluation.embeddings import check_same, compact_labels
from workbench.evaluation.splits import Split
from workbench.randomness import Randomness

HIDDEN, DROPOUT, EVERY = 64, 0.5, 10
LEARNED, UNION = "learned", "union of the relations"
OF_ATTRIBUTES, OF_PROPAGATED = "nearest attributes", "nearest propagated attributes"


def graphs_compared(
    run: Any, data: Any, protocol: str = "heco-40", trainings: int = 5, steps: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Score the graph that a run learned and those that need no training, by a fresh graph convolution along each.

    The network has two layers on the attributes, 64 hidden ones, Adam at 0.001 and dropout 0.5; each tenth step the
    validation part is looked at, and it stops after ten looks without a gain. The measures are of the best look. So
    InfoMGF is scored by its release, which says 200 steps and five trainings; width and dropout are ours.

    Args:
        run: of "infomgf". data: what it was trained on, with labels.
        protocol: whose first split is taken; it has a validation part.
        trainings: of the network along each graph, from other weights. steps: of each. seed: of split and weights.

    Returns:
        One row a graph and training: "graph", "training", "macro_f1" and "micro_f1" in percent. The graphs are the
        "learned" one, each relation by its name, the "union of the relations", and those of the "nearest attributes"
        and of the "nearest propagated attributes" of all relations side by side, as the run has them before training.

    Raises:
        UserError: a run that learned no graph, other data, or a protocol without a validation part.
    """
    check_same(run, data)
    if not isinstance(encoder := getattr(run, "encoder", None), Fused):
        raise UserError(f"this run of {getattr(run, 'method', 'no method')} learned no graph; infomgf learns one")
    if trainings < 1 or steps < EVERY:
        raise UserError(f"at least 1 training and {EVERY} steps are needed, not {trainings} and {steps}")
    split = protocols.of(kind_of(data), protocol).splits(data, 1, seed)[0]
    if split.validation is None:
        raise UserError(f"protocol {protocol!r} has no validation part, by which a network is stopped")
    labels, classes = compact_labels(data)
    inputs, rows = kind_of(data).inputs(data), []
    x = inputs[target_type(inputs)].x
    for name, matrix in graphs_of(encoder, inputs).items():
        for number in range(trainings):
            draw = Randomness(seed).generator(f"network {number}")
            measures = along(matrix, x, torch.from_numpy(labels), split, classes, steps, draw)
            rows.append({"graph": name, "training": number, **measures})
    return pd.DataFrame(rows)


@torch.no_grad()
def graphs_of(encoder: Fused, inputs: Any) -> dict[str, Tensor]:
    """Return the normalised matrix of each graph by its name, CSR [nodes, nodes]; see `graphs_compared`."""
    relations = encoder.relations(inputs)
    graphs, k = dict(zip(relations.names, relations.graphs, strict=True)), encoder.k
    found = {LEARNED: normalised(*knn_graph(encoder.fused(relations), k)), **graphs}
    nodes = len(relations.x)
    together = torch.cat([graph.pattern.rows * nodes + graph.pattern.columns for graph in graphs.values()]).unique()
    found[UNION] = normalised(Pattern.of(together, nodes), torch.ones(len(together)))
    found[OF_ATTRIBUTES] = normalised(*knn_graph(relations.x, k))
    propagated = torch.cat([*relations.along, relations.own], 1)
    found[OF_PROPAGATED] = normalised(*knn_graph(propagated.relu(), k))  # as the learner has it before training
    return {name: graph.pattern.matrix(graph.values) for name, graph in found.items()}


def along(
    matrix: Tensor, x: Tensor, labels: Tensor, split: Split, classes: int, steps: int, draw: torch.Generator
) -> dict[str, float]:
    """Return "macro_f1" and "micro_f1" in percent of a graph convolution trained along a symmetric matrix.

    Args:
        matrix: CSR [nodes, nodes]. x: attributes [nodes, features]. labels: classes from 0 [nodes].
        split: with a validation part. classes: how many. steps: of Adam, at most. draw: the stream to draw from.
    """
    assert split.validation is not None
    shapes = ((x.shape[1], HIDDEN), (HIDDEN, classes))
    weights = [xavier_uniform_(torch.empty(shape), generator=draw).requires_grad_() for shape in shapes]
    biases = [torch.zeros(width, requires_grad=True) for _, width in shapes]
    optimiser = torch.optim.Adam([*weights, *biases], lr=1e-3)

    attributes = x.to_sparse().coalesce()  # of words most are 0, which a dropout leaves as they are

    def dropped(values: Tensor) -> Tensor:
        return values * (torch.rand(values.shape, generator=draw) >= DROPOUT) / (1 - DROPOUT)

    def logits(training: bool) -> Tensor:
        values = dropped(attributes.values()) if training else attributes.values()
        left = torch.sparse_coo_tensor(attributes.indices(), values, x.shape, is_coalesced=True, check_invariants=False)
        h = (SymmetricProduct.apply(matrix, torch.sparse.mm(left, weights[0])) + biases[0]).relu()
        out: Tensor = SymmetricProduct.apply(matrix, (dropped(h) if training else h) @ weights[1]) + biases[1]
        return out

    train, validation, test = (torch.from_numpy(part) for part in (split.train, split.validation, split.test))
    best, waited, found = -1.0, 0, dict[str, float]()
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        cross_entropy(logits(True)[train], labels[train]).backward()
        optimiser.step()
        if step % EVERY:
            continue
        with torch.no_grad():
            said = logits(False).argmax(1)
        right, waited = float((said[validation] == labels[validation]).float().mean()), waited + 1
        if right > best:
            best, waited = right, 0
            for average in ("macro", "micro"):
                score = f1_score(labels[test], said[test], average=average, zero_division=0)
                found[f"{average}_f1"] = 100 * float(score)
        if waited >= EVERY:
            break
    return found
