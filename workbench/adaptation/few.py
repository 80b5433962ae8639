"""Few labels: which are drawn, which of them are held back, and a logistic regression on them."""

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from workbench.errors import UserError

HELD_OUT = -2  # stands among targets for a label that is kept back
SHARE = 4  # one in so many labels of a class is
MOST_STEPS = 10_000


def few_labels(targets: Tensor, most: int, draw: int, holdout: bool) -> Tensor:
    """Return the targets of drawn items alone [items], -1 for all others, `HELD_OUT` for those that are kept back.

    Args:
        targets: the class of each item, negative where it may not be seen [items].
        most: items of each class; 0 takes all.
        draw: seed of the draw.
        holdout: keep a quarter of each class back, rounded, one item at least.

    Raises:
        UserError: a single class, one with fewer labels than asked for, or a single label that would be held out.
    """
    generator, kept = torch.Generator().manual_seed(draw), torch.full_like(targets, -1)
    classes = targets[targets >= 0].unique().tolist()
    if len(classes) < 2:
        raise UserError("an adaptation tells classes apart, and the labels that it may see are of one class")
    for label in classes:
        of = (targets == label).nonzero().flatten()
        if len(of) < most:
            there = f"class {label} has {len(of)} that may be seen"
            raise UserError(f"{most} labels of each class were asked for, and {there}", parameter="labels")
        of = of[torch.randperm(len(of), generator=generator).to(of.device)][: most or None]
        back = max(1, round(len(of) / SHARE)) if holdout else 0
        if back == len(of):
            raise UserError(f"a single label of class {label} can't be learned and held out", parameter="holdout")
        kept[of[back:]], kept[of[:back]] = label, HELD_OUT
    return kept


@torch.no_grad()
def fit_logistic(head: nn.Linear, codes: Tensor, targets: Tensor) -> None:
    """Set a linear classifier to a logistic regression, C = 1, of classes [items] by codes [items, dim].

    Columns are standardised for it, which an untrained encoder needs: its codes hardly differ.
    """
    scaler = StandardScaler().fit(codes.double().cpu().numpy())
    rows = scaler.transform(codes.double().cpu().numpy())
    fitted = LogisticRegression(max_iter=MOST_STEPS).fit(rows, targets.cpu().numpy())
    plain = fitted.coef_ / scaler.scale_
    weight, bias = (
        torch.from_numpy(part).to(head.weight) for part in (plain, fitted.intercept_ - plain @ scaler.mean_)
    )
    if len(bias) == 1:  # of two classes the second one's is told
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    head.weight.zero_()
    head.bias.fill_(torch.finfo(head.bias.dtype).min)  # a class that nothing was seen of is never told
    head.weight[fitted.classes_], head.bias[fitted.classes_] = weight, bias
