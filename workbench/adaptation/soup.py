"""Soups: the mean of the weights of several adaptations of one base, of all or of those that help.

Wortsman, Ilharco, Gadre and others: Model soups. ICML 2022, arXiv 2203.05482.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from workbench.adaptation.base import PLANS, Plan
from workbench.adaptation.members import Member
from workbench.adaptation.merging import mean
from workbench.errors import UserError


@PLANS.register("soup")
class Soup(Plan):
    """Nothing is learned: encoders and classifiers of stored adaptations are averaged.

    Args:
        members: stored adaptations of one base to the data at hand, e.g. RUN,RUN; each by its folder or the start of
            its key.
        how: "uniform", the mean of all; or "greedy": from the best one on, each stays whose presence doesn't lower the
            accuracy on labels that none of them has learned, as those of fits with holdout=true.
    """

    def __init__(self, members: str = "", how: Literal["uniform", "greedy"] = "uniform"):
        super().__init__()
        self.members, self.how = members, how

    @torch.no_grad()
    def prepare(self, encoder: Any, generator: torch.Generator) -> None:
        """Take the mean for the weights."""
        members: list[Member] = self.inputs.members
        self.used, self.alone = [*range(len(members))], list[float]()
        if self.how == "greedy":
            items = held_out(members, self.inputs.targets)
            mode = encoder.training
            encoder.eval().to(self.inputs.x.device)

            def score(numbers: Sequence[int]) -> float:
                head = averaged(encoder, [members[number] for number in numbers])
                told = head(encoder.embed(self.inputs)[items]).argmax(1)
                return float((told == self.inputs.targets[items]).double().mean())

            self.used, self.alone = greedy(len(members), score)
            encoder.train(mode)
        self.classifier = averaged(encoder, [members[number] for number in self.used])

    def details(self, encoder: Any, inputs: Any) -> dict[str, Tensor]:
        """Return which members are "used", and where that was chosen the held-out accuracy of each "alone"."""
        used = torch.tensor([number in self.used for number in range(len(inputs.members))])
        return {"used": used, "alone": torch.tensor(self.alone, dtype=torch.float64)}


def averaged(encoder: nn.Module, members: Sequence[Member]) -> nn.Linear:
    """Give an encoder the mean weights of members, and return their mean classifier."""
    encoder.load_state_dict(mean([member.state for member in members]))
    head = nn.Linear(1, 1)
    head.weight = nn.Parameter(torch.stack([member.weight for member in members]).mean(0))
    head.bias = nn.Parameter(torch.stack([member.bias for member in members]).mean(0))
    return head.requires_grad_(False).to(next(encoder.parameters()).device)


def held_out(members: Sequence[Member], targets: Tensor) -> Tensor:
    """Return the numbers of labelled items that no member has learned.

    Args:
        members: see there. targets: classes that may be seen, negative for none [items].

    Raises:
        UserError: there is none, or a member was trained on other data.
    """
    free = targets >= 0
    for member in members:
        if member.labelled is None:
            raise UserError(
                f"a greedy soup is chosen by labels, and {member.name} was trained on other data than these"
            )
        free = free & ~member.labelled.to(free.device)
    if not bool(free.any()):
        raise UserError(
            "a greedy soup is chosen by labels that no member has learned, and here are none; "
            "members that were fitted with holdout=true leave a quarter of the same labels"
        )
    return free.nonzero().flatten()


def greedy(count: int, score: Callable[[Sequence[int]], float]) -> tuple[list[int], list[float]]:
    """Return the members of a greedy soup, the best first, and the score of each member alone.

    Args:
        count: of members. score: of a soup of some of them, by their numbers; larger is better.
    """
    alone = [score([number]) for number in range(count)]
    order = sorted(range(count), key=lambda number: -alone[number])
    used, best = order[:1], alone[order[0]]
    for number in order[1:]:
        if (scored := score([*used, number])) >= best:
            used, best = [*used, number], scored
    return used, alone
