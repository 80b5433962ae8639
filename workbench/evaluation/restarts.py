"""The probe of HeCo and MEOW: one linear layer, started many times over on one embedding, on the published labels."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.init import xavier_uniform_

from workbench.evaluation.embeddings import Features, compact_labels
from workbench.evaluation.splits import Split
from workbench.randomness import Randomness

MEASURES = ("macro_f1", "micro_f1", "auc")
LR, OF_GRAPH = 0.01, {"acm": 0.05, "acm-typed": 0.05}  # learning rates of HeCo's release


def per_restart(
    x: Features, data: Any, split: Split, restarts: int, steps: int, seed: int, lr: float | None = None
) -> pd.DataFrame:
    """Return the measures of each restart in percent, with the steps that the validation part picked: a row a restart.

    Args:
        x: embeddings [items, dim]. data: what has the labels.
        split: what trains, what picks the step, what is scored. restarts: of the layer, all trained together.
        steps: of Adam. seed: of the weights. lr: learning rate; None for the release's.
    """
    assert split.validation is not None
    known, classes = compact_labels(data)
    lr = OF_GRAPH.get(getattr(data, "name", ""), LR) if lr is None else lr
    train, picking, test = (_rows(x[items]) for items in (split.train, split.validation, split.test))
    goal = torch.nn.functional.one_hot(torch.from_numpy(known[split.train]), classes).float()[:, None]
    wanted, truth = (torch.from_numpy(known[items]) for items in (split.validation, split.test))
    weight = torch.empty(restarts, classes, x.shape[1])
    for number, start in enumerate(weight):
        xavier_uniform_(start, generator=Randomness(seed).generator(f"restart {number}"))
    weight, bias = weight.view(-1, x.shape[1]).T.contiguous(), torch.zeros(restarts * classes)
    optimiser = torch.optim.Adam([weight, bias], lr=lr, fused=True)
    best = torch.full((2, restarts), -1.0)
    picked, tested = torch.zeros(2, restarts), torch.zeros(2, restarts)
    scores = torch.zeros(len(truth), restarts, classes)
    for step in range(1, steps + 1):
        error = (train @ weight + bias).view(-1, restarts, classes).softmax(2).sub_(goal).div_(len(train))
        error = error.view(len(train), -1)
        weight.grad, bias.grad = train.T @ error, error.sum(0)
        optimiser.step()
        tuned = _f1((picking @ weight + bias).view(-1, restarts, classes).argmax(2), wanted, classes)
        better = tuned > best
        if better.any():
            said = (test @ weight + bias).view(-1, restarts, classes)
            tested = torch.where(better, _f1(said.argmax(2), truth, classes), tested)
            best, picked = torch.where(better, tuned, best), picked.masked_fill(better, step)
            scores = torch.where(better[1, None, :, None], said, scores)
    areas = [_area(scores[:, number].softmax(1).numpy(), truth.numpy()) for number in range(restarts)]
    sizes = {"train": len(train), "validation": len(picking), "test": len(test)}
    rows = {"macro_f1": 100 * tested[0], "micro_f1": 100 * tested[1], "auc": 100 * torch.tensor(areas)}
    rows |= {"step": picked[0], "micro_step": picked[1]}
    return pd.DataFrame({name: values.double().numpy() for name, values in rows.items()}).assign(**sizes)


def _rows(x: Features) -> Tensor:
    return torch.from_numpy(np.asarray(x.toarray() if hasattr(x, "toarray") else x, dtype=np.float32))


def _f1(said: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Return macro and micro F1 of what each restart says [items, restarts], as shares [2, restarts]."""
    restarts = said.shape[1]
    cells = (torch.arange(restarts) * classes + truth[:, None]) * classes + said
    table = torch.bincount(cells.flatten(), minlength=restarts * classes**2).view(restarts, classes, classes).float()
    right = table.diagonal(dim1=1, dim2=2)
    both = table.sum(1) + table.sum(2)
    share = torch.where(both > 0, 2 * right / both.clamp(min=1), 0.0)
    return torch.stack([share.sum(1) / (both > 0).sum(1), right.sum(1) / len(truth)])


def _area(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Return the mean over classes of the area under the ROC curve, of those that some items have and some do not."""
    ranks, areas = rankdata(scores, axis=0), []
    for kind in range(scores.shape[1]):
        own = truth == kind
        some, others = int(own.sum()), int((~own).sum())
        if some and others:
            areas.append((ranks[own, kind].sum() - some * (some + 1) / 2) / (some * others))
    return float(np.mean(areas)) if areas else float("nan")
