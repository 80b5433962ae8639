"""Probes: simple classifiers that are trained on frozen embeddings and show how well classes can be read off them.

A probe sees the labels of the training part and of the part that tunes it; test labels are never handed to it, except
by a protocol that is flawed in just this.
"""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, PredefinedSplit, ShuffleSplit
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits
from torch import Tensor

from workbench.evaluation import logistic
from workbench.evaluation.embeddings import Features, Nodes
from workbench.evaluation.splits import Picks, Split

FOLDS = 5
PICK_EVERY = 20
SPARSE_STEP_BELOW = 0.03  # a product with a block of a larger share of non-zeros is faster dense


class Prediction(NamedTuple):
    """What a probe says of the test part: a class for each of its nodes, and the C or step that was chosen."""

    classes: Nodes
    chosen: float


# The products of these probes are small: threads that wait for one another cost more than they save.
@threadpool_limits.wrap(limits=1)
def liblinear(
    x: Features, known: Nodes, split: Split, classes: int, grid: Sequence[float], halves: bool = False
) -> Prediction:
    """One-vs-rest logistic regression by scikit-learn's liblinear, C chosen as the split allows.

    Args:
        x: embeddings [nodes, dim], dense or sparse.
        known: class of each training and validation node, -1 elsewhere [nodes].
        split: with a validation part C is chosen by accuracy on it, without by 5-fold cross-validation of the training
            part exactly as in GRACE's release (targets one-hot, hence unstratified folds and exact-match scores).
        classes: how many there are; one without a training node is never predicted.
        grid: values of C to choose from, ascending.
        halves: without a validation part, choose on random halves of the training part, as BGRL's release does.
    """
    # the primal solver draws nothing, but scikit-learn would take an unused number from the global generator
    model = OneVsRestClassifier(LogisticRegression(solver="liblinear", random_state=0))
    tuned, options = split.train, dict[str, Any](cv=_inside(halves))
    if split.validation is not None:
        tuned = np.concatenate([split.train, split.validation])
        part = np.repeat([-1, 0], [split.train.size, split.validation.size])
        options = {"cv": PredefinedSplit(part), "scoring": _accuracy}
    search = GridSearchCV(model, {"estimator__C": list(grid)}, refit=False, error_score="raise", **options)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
        search.fit(x[tuned], _one_hot(known[tuned], classes))
        model.set_params(**search.best_params_).fit(x[split.train], _one_hot(known[split.train], classes))
    return Prediction(model.predict_proba(x[split.test]).argmax(axis=1), float(search.best_params_["estimator__C"]))


def _accuracy(model: OneVsRestClassifier, x: Features, targets: NDArray[np.bool_]) -> float:
    return float((model.predict_proba(x).argmax(axis=1) == targets.argmax(axis=1)).mean())


@threadpool_limits.wrap(limits=1)
def fast(
    x: Features, known: Nodes, split: Split, classes: int, grid: Sequence[float], halves: bool = False
) -> Prediction:
    """`liblinear` with the same objective, folds and choice, every class and fold solved together (see `logistic`)."""
    targets = _one_hot(known[split.train], classes)
    count = split.train.size
    masks = [np.ones(count, dtype=bool)]
    if split.validation is None:
        masks += [np.isin(np.arange(count), rest) for rest, _ in _inside(halves).split(targets)]
    block = logistic.reduce(x[split.train])
    validation = None if split.validation is None else x[split.validation]
    signs = np.tile(np.where(targets, 1.0, -1.0), len(masks))
    used = np.repeat(np.stack(masks, axis=1).astype(np.float64), classes, axis=1)
    # one-vs-rest answers with a constant where a training fold holds a class never, or always
    constant = np.stack([np.where(targets[mask].any(0), np.where(targets[mask].all(0), 1, 0), -1) for mask in masks])
    best = (-1.0, 0.0, np.empty(0))
    for strength, solved in zip(grid, logistic.path(block.rows, signs, used, grid), strict=True):
        weights = block.weights(solved[:, :classes])
        if split.validation is None:
            scores = np.asarray(block.rows @ solved).reshape(count, len(masks), classes)
            folds = range(1, len(masks))
            held_out = [_exact_match(scores[~masks[f], f], targets[~masks[f]], constant[f]) for f in folds]
            score = float(np.mean(held_out))
        else:
            guess = scores_of(validation, weights, constant[0]).argmax(axis=1)
            score = float((guess == known[split.validation]).mean())
        if score > best[0]:
            best = (score, strength, weights)
    return Prediction(scores_of(x[split.test], best[2], constant[0]).argmax(axis=1), best[1])


def linear_layer(
    x: Features,
    known: Nodes,
    split: Split,
    classes: int,
    steps: int,
    seed: int,
    decays: Sequence[float] = (0.0,),
    picks: Picks = "first",
) -> Prediction:
    """One linear layer by full-batch Adam, the step picked on the validation part (PyGCL's LREvaluator).

    Arguments as for `liblinear`; steps: gradient steps, at least 20. seed: of the initial weights. decays: weight
    decays, with each of which a layer is trained from there; the validation part picks among their steps as well.
    picks: of every 20th step the "first" that is best, of all steps the "latest" that is, or the "last" step.
    """
    assert split.validation is not None
    train, picking, test = (_dense_where_faster(x[nodes]) for nodes in (split.train, split.validation, split.test))
    targets = torch.from_numpy(_one_hot(known[split.train], classes)).float().T
    wanted = torch.from_numpy(known[split.validation])
    best, chosen, said = 0, 0, torch.zeros(split.test.size, dtype=torch.int64)
    for decay in decays:
        draw = torch.Generator().manual_seed(seed)
        weight, bias = torch.empty(classes, x.shape[1]), torch.empty(classes, 1)
        torch.nn.init.xavier_uniform_(weight, generator=draw)
        bias.uniform_(-(x.shape[1] ** -0.5), x.shape[1] ** -0.5, generator=draw)  # torch.nn.Linear's own
        optimiser = torch.optim.Adam([weight, bias], lr=0.01, weight_decay=decay, fused=True)
        for step in range(1, steps + 1):
            # the gradient of the mean log-softmax loss, written out class by row: several times faster than autograd's
            # node by row for a layer with so few classes
            error = (torch.softmax(_times(weight, train.T) + bias, dim=0) - targets) / targets.size(1)
            weight.grad, bias.grad = _times(error, train), error.sum(dim=1, keepdim=True)
            optimiser.step()
            if {"first": step % PICK_EVERY == 0, "latest": True, "last": step == steps}[picks]:
                right = int(((_times(weight, picking.T) + bias).argmax(dim=0) == wanted).sum())
                if {"first": right > best, "latest": right >= best, "last": True}[picks]:
                    best, chosen, said = right, step, (_times(weight, test.T) + bias).argmax(dim=0)
    return Prediction(said.numpy(), float(chosen))


@threadpool_limits.wrap(limits=1)
def svc(x: Features, known: Nodes, split: Split, grid: Sequence[float]) -> Prediction:
    """A SVC with an RBF kernel (gamma "scale").

    C is chosen on the validation part, or by stratified 5-fold cross-validation of the training part without one.
    """
    tuned, cv = split.train, FOLDS
    if split.validation is not None:
        tuned = np.concatenate([split.train, split.validation])
        cv = PredefinedSplit(np.repeat([-1, 0], [split.train.size, split.validation.size]))
    search = GridSearchCV(SVC(), {"C": list(grid)}, cv=cv, refit=False, error_score="raise")
    search.fit(x[tuned], known[tuned])
    model = SVC(**search.best_params_).fit(x[split.train], known[split.train])
    return Prediction(model.predict(x[split.test]), float(search.best_params_["C"]))


def _inside(halves: bool) -> KFold | ShuffleSplit:
    """Return how the training part is split to choose C in it."""
    return ShuffleSplit(FOLDS, test_size=0.5, random_state=0) if halves else KFold(FOLDS)


def _dense_where_faster(x: Features) -> Features:
    if sp.issparse(x) and x.nnz < SPARSE_STEP_BELOW * x.shape[0] * x.shape[1]:
        return x
    return np.asarray(x.toarray() if sp.issparse(x) else x, dtype=np.float32)


def _times(left: Tensor, right: Features) -> Tensor:
    """Multiply a dense tensor by a numpy or scipy matrix."""
    if sp.issparse(right):  # fused Adam wants gradients laid out like the weights, hence row by row
        return torch.from_numpy(np.ascontiguousarray((right.T @ left.numpy().T).T))
    return left @ torch.from_numpy(right)


def _one_hot(labels: Nodes, classes: int) -> NDArray[np.bool_]:
    return labels[:, None] == np.arange(classes)


def scores_of(x: Features, weights: NDArray[np.float64], constant: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what linear classifiers say [rows, classes]; `constant` a class: 1 always, -1 never, 0 by its weights."""
    scores = np.asarray(x @ weights[:-1]) + weights[-1]
    scores[:, constant != 0] = constant[constant != 0] * np.inf
    return scores


def _exact_match(scores: NDArray[np.float64], targets: NDArray[np.bool_], constant: NDArray[np.int64]) -> float:
    """Share of rows with every thresholded output right; `constant` a class: 1 always, -1 never, 0 fitted."""
    # scikit-learn thresholds all outputs at 0.5 instead of 0 when the first class has a constant answer
    said = np.where(constant == 0, scores > (0.0 if constant[0] == 0 else 0.5), constant > 0)
    return float((said == targets).all(axis=1).mean())
