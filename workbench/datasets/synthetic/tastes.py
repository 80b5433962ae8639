"""A small bipartite graph of users and items whose communities are known."""

import numpy as np
import torch
from torch_geometric.data import HeteroData

from workbench.datasets.bipartite import as_users_and_items
from workbench.datasets.files.registry import register


@register("tastes")
def tastes(
    users: int = 200,
    items: int = 120,
    communities: int = 4,
    each: int = 15,
    inside: float = 0.8,
    seed: int = 0,
) -> HeteroData:
    """Make users who choose mostly items of their own community; a fifth of each one's choices is held out.

    Args:
        users, items: how many; y of both node types is the community, number modulo `communities`.
        communities: how many.
        each: choices of a user, all different.
        inside: share of the choices that fall into the user's own community, on average.
        seed: of all draws.
    """
    draw = np.random.default_rng(seed)
    belongs, offers = np.arange(users) % communities, np.arange(items) % communities
    same = belongs[:, None] == offers
    chance = np.where(same, inside / same.sum(1, keepdims=True), (1 - inside) / (~same).sum(1, keepdims=True))
    # The largest of log chance + Gumbel noise are a draw without replacement.
    chosen = np.argsort(-np.log(chance) - draw.gumbel(size=chance.shape), axis=1)[:, :each]
    pairs = torch.from_numpy(np.stack([np.repeat(np.arange(users), each), chosen.ravel()]))
    test = torch.arange(users * each) % each < each // 5
    data = as_users_and_items(users, items, pairs[:, ~test], pairs[:, test])
    data["user"].y, data["item"].y = torch.from_numpy(belongs), torch.from_numpy(offers)
    return data
