"""Cross-entropy with several positives, the logarithm taken of each: SupCon, and soft targets."""

from dataclasses import replace

import torch
from torch import Tensor

from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import log_positives, ratio_loss
from workbench.errors import UserError
from workbench.objectives import OBJECTIVES


@OBJECTIVES.register("supcon")
def supcon(contrast: Contrast, u: Tensor, v: Tensor | None = None, budget_mib: float | None = None) -> Tensor:
    """Return log sum_j W_ij exp(s_ij/tau) - sum_p P_ip s_ip/tau / sum_p P_ip of each anchor [rows].

    InfoNCE takes one logarithm over all positives, this one for each; with one positive per anchor they are equal. In
    paired views with `same_view` the positives are those of the other view and, but for a row with itself, of its own.
    With the classes of labels as positives it is SupCon (Khosla and others, Supervised Contrastive Learning, NeurIPS
    2020, the form with the sum outside), with similarities of trees SPACE-2's soft targets. Arguments as for `infonce`.

    Raises:
        UserError: a contrast with a bias.
    """
    if contrast.bias is not None:
        raise UserError("the objective 'supcon' takes no bias")
    if contrast.positives is None:
        return ratio_loss(contrast, u, v, budget_mib)
    index, mass = contrast.positives
    # The denominator of paired rows doesn't depend on the positives, whose logarithm is left out here.
    loss = ratio_loss(replace(contrast, positives=None) if contrast.paired else contrast, u, v, budget_mib)
    u, v = contrast.prepared(u, v)
    contrast.check_positives(len(u))
    pulled = []
    for anchors, banks in contrast.directions(u, v):
        above, below = torch.zeros(2, len(anchors), dtype=u.dtype, device=u.device)
        for number, bank in enumerate(banks):
            share = (mass if number == 0 else mass * (index[0] != index[1])).to(u.dtype)
            table = torch.sparse_coo_tensor(index, share, (len(anchors), len(bank)), check_invariants=False)
            above = above + (anchors * torch.sparse.mm(table, bank)).sum(1) / contrast.tau
            below = below.index_add(0, index[0], share)
        taken = (anchors * banks[0]).sum(1) / contrast.tau if contrast.paired else None
        pulled.append((log_positives(contrast, anchors, banks[0]) if taken is None else taken) - above / below)
    return loss + torch.stack(pulled).mean(0)
