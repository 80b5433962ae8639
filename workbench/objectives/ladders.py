"""Ladders of edited copies: distances that are in proportion to the edits, and shorter than to other graphs.

Kim, Baek, Hwang: Graph Self-supervised Learning with Accurate Discrepancy Learning. NeurIPS 2022, arXiv 2202.02989.
"""

import torch
from torch import Tensor


def discrepancy(away: Tensor, edits: Tensor) -> Tensor:
    """Return the mean over pairs of copies, and graphs, of (d_i/e_i - d_j/e_j)², a scalar; 0 without such pairs.

    Args:
        away: d, distance of each copy from its graph [copies, graphs].
        edits: e, what it was edited by, above 0 [copies, graphs].
    """
    if len(away) < 2 or not away.shape[1]:
        return away.sum() * 0
    return 2 * (away / edits).var(0).mean()  # the variance is half the mean square of the differences


def ladder_margin(graphs: Tensor, away: Tensor, margin: float) -> Tensor:
    """Return the mean of max(0, margin + d_k - |h - h'|) over copies k and pairs of graphs, a scalar.

    Args:
        graphs: h, codes of at least two graphs [graphs, dim].
        away: d, distance of each copy from its graph [copies, graphs].
        margin: by how much more other graphs have to be away.
    """
    apart = ~torch.eye(len(graphs), dtype=torch.bool, device=graphs.device)
    anchor, other = apart.nonzero().T
    others = (graphs[anchor] - graphs[other]).norm(dim=1)
    return (margin + away[:, anchor] - others).clamp(min=0).mean()
