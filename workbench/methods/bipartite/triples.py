"""Triples of a user, an item that the user took in training, and one that the user did not take."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from workbench.datasets.bipartite import interactions
from workbench.datasets.kinds import kind_of


class Triples(NamedTuple):
    """Numbers of users, of an item that each took, and of one that each did not take, each [triples]."""

    user: Tensor
    positive: Tensor
    negative: Tensor


class Draw:
    """The draw of an epoch's triples, without a loop over users and without rejection.

    A user who took every item has no negative and is left out. A repeated interaction counts once.

    Args:
        data: users and items.
        by: "users" draws a user uniformly, then one of the user's items; "interactions" takes each interaction once, in
            a new order.
        generator: the stream to draw from.
    """

    def __init__(self, data: HeteroData, by: Literal["users", "interactions"], generator: torch.Generator):
        users, self.items = kind_of(data).shape(data).values()
        self.user, self.item = torch.unique(interactions(data).cpu(), dim=1)
        self.by, self.generator = by, generator
        self.taken = torch.bincount(self.user, minlength=users)
        self.first = self.taken.cumsum(0) - self.taken
        # Of the items that a user did not take, number r is item r + n, where n of those taken stand below it.
        place = torch.arange(len(self.user)) - self.first[self.user]
        self.below = self.user * self.items + self.item - place
        self.learnable = (self.taken > 0) & (self.taken < self.items)

    def epoch(self, batch_size: int, batches: int = 0) -> Iterator[Triples]:
        """Yield the triples of an epoch in so many batches; 0 for as many triples as there are interactions."""
        known = self.learnable[self.user].nonzero()[:, 0]
        if not len(known):
            return
        count = batches * batch_size
        if self.by == "users":
            users = self.learnable.nonzero()[:, 0]
            user = users[torch.randint(len(users), (count or len(self.user),), generator=self.generator)]
            positive = self.item[self.first[user] + self.uniform(self.taken[user])]
        else:
            passes = -(-(count or len(known)) // len(known))
            drawn = [torch.randperm(len(known), generator=self.generator) for _ in range(passes)]
            order = known[torch.cat(drawn)[: count or None]]
            user, positive = self.user[order], self.item[order]
        triples = Triples(user, positive, self.negatives(user))
        yield from map(Triples, *(part.split(batch_size) for part in triples))

    def negatives(self, user: Tensor) -> Tensor:
        """Return an item for each user, uniformly among those that the user did not take [users]."""
        rank = self.uniform(self.items - self.taken[user])
        return rank + torch.searchsorted(self.below, user * self.items + rank, right=True) - self.first[user]

    def uniform(self, limits: Tensor) -> Tensor:
        """Return a whole number from 0 and below each limit [limits]."""
        return (torch.rand(len(limits), generator=self.generator, dtype=torch.float64) * limits).long()
