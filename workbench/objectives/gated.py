"""SupCon between two classes at a time, seen through a gate of their own: any class may be another's positive."""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize


def gated_supcon(rows: Tensor, classes: Tensor, pairs: Tensor, gates: Tensor, tau: float) -> Tensor:
    """Return the loss of each anchor in each pair of classes, in nats [anchors]; an anchor without a positive has none.

    For a pair (a, b) all rows are multiplied by its gate and divided by their length. Rows of class a are anchors whose
    positives are the other rows of class b, and the other way round; negatives are of neither class:

        mean over positives p of -log [ exp(s_ip/tau) / (sum over positives and negatives k of exp(s_ik/tau)) ].

    With open gates and pairs of equal classes alone it is SupCon. Which rows stand in the denominator besides the
    negatives is ours. Source: Rethinking Positive Pairs in Contrastive Learning (Hydra, later SimLAP), arXiv
    2410.18200.

    Args:
        rows: embeddings, of all views [rows, dim].
        classes: of each row [rows].
        pairs: of classes, none twice in either order [pairs, 2].
        gates: one for each pair [pairs, dim].
        tau: temperature, above 0.
    """
    numbers, losses = torch.arange(len(rows), device=rows.device), [rows.new_empty(0)]
    for (a, b), gate in zip(pairs.tolist(), gates, strict=True):
        unit = normalize(rows * gate, dim=1)
        for own, other in dict.fromkeys([(a, b), (b, a)]):
            anchors = numbers[classes == own]
            apart = anchors[:, None] != numbers
            positive = apart & (classes == other)
            anchors, apart, positive = (part[positive.any(1)] for part in (anchors, apart, positive))
            counted = positive | (apart & (classes != a) & (classes != b))
            logits = (unit[anchors] @ unit.T / tau).masked_fill(~counted, -math.inf)
            logs = logits.log_softmax(1).masked_fill(~positive, 0.0)
            losses.append(-logs.sum(1) / positive.sum(1))
    return torch.cat(losses)
