"""Whom a training compared an anchor with, read from the contrast that its step used."""

import torch

from workbench.contrast.negatives.selection import Selection
from workbench.contrast.pairs import Contrast, Mixed
from workbench.errors import UserError

BECAUSE = "the last step of the training compared it with the anchor"


def compared(contrast: Contrast, anchor: int, nodes: int) -> Selection:
    """Return the negatives of one anchor in a contrast, with their weights; what is listed twice weighs twice.

    Args:
        contrast: of a run.
        anchor: node id.
        nodes: how many nodes the graph has.

    Raises:
        UserError: no row of the contrast stands for the anchor.
    """
    ids = torch.arange(nodes) if contrast.nodes is None else contrast.nodes.cpu()
    rows = torch.nonzero(ids == anchor).flatten()
    if not len(rows):
        raise UserError(f"the training never compared node {anchor}: its anchors are {len(ids):,} of {nodes:,} nodes")
    row, listed, weights = int(rows[0]), contrast.candidates, contrast.weights
    each = listed is not None and listed.dim() == 2
    columns = torch.arange(len(ids)) if listed is None else (listed[row] if each else listed).cpu()
    if isinstance(weights, tuple):
        own = (weights[1] @ weights[0][row]).cpu()
    else:
        own = torch.ones(len(columns)) if weights is None else (weights[row] if each else weights).cpu()
    kept = (columns != row) & (own > 0)
    found, place = torch.unique(columns[kept], return_inverse=True)
    total = torch.zeros(len(found)).index_add(0, place, own[kept].float())
    mixed = None
    if contrast.mixed is not None:
        first, second, share = (part.cpu().expand(contrast.mixed.first.shape)[[row]] for part in contrast.mixed)
        mixed = Mixed(ids[first], ids[second], share)
    return Selection(
        torch.tensor([anchor]), ids[found][None], total[None], mixed, contrast.class_prior, because=BECAUSE
    )
