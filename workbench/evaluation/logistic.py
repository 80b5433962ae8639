"""Many logistic regressions at once: liblinear's objective, solved together for every class and fold along a path of C.

For targets t = ±1 the objective is liblinear's, 0.5·|w|² + C·Σ log(1 + exp(−t·w·[x, 1])): the intercept is
regularised like every other weight (Fan et al., LIBLINEAR, JMLR 2008). It is strictly convex, so any solver that
converges finds liblinear's weights; only the stopping point differs.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[np.float64]
Matrix = Any  # Array or scipy.sparse.csr_matrix, which carries no types

WIDEST_EIGENPROBLEM = 2048  # a rotation of more columns than this costs more than it saves on sparse attributes


class Block(NamedTuple):
    """Training rows, intercept column included, in the coordinates where they are solved, their principal axes.

    `lift` turns weights on these into weights on [x, 1]; None where nothing was rotated.
    """

    rows: Matrix  # [rows, axes]
    lift: Array | None  # [features + 1, axes]

    def weights(self, solved: Array) -> Array:
        """Return weights on [x, 1] for weights on the rotated rows, [features + 1, problems]."""
        return solved if self.lift is None else self.lift @ solved


def reduce(x: Matrix) -> Block:
    """Append the intercept column and rotate training rows [rows, features] to their row space.

    With an L2 penalty the solution lies in the span of the training rows, so nothing is lost where there are fewer rows
    than features; on principal axes the Hessian is close to diagonal, which is what the preconditioner below assumes. A
    wide sparse block with many rows stays as it is, since its products are cheaper than a rotation.
    """
    count, width = x.shape[0], x.shape[1] + 1
    if sp.issparse(x):
        extended = sp.hstack([x, np.ones((count, 1))], format="csr", dtype=np.float64)
        if min(count, width) > WIDEST_EIGENPROBLEM:
            return Block(extended, None)
    else:
        extended = np.hstack([np.asarray(x, dtype=np.float64), np.ones((count, 1))])
    gram = extended @ extended.T if count < width else extended.T @ extended
    values, vectors = np.linalg.eigh(gram.toarray() if sp.issparse(gram) else gram)
    if count >= width:
        return Block(np.asarray(extended @ vectors), vectors)
    kept = values > 1e-12 * values[-1]
    sizes = np.sqrt(values[kept])
    return Block(vectors[:, kept] * sizes, np.asarray(extended.T @ (vectors[:, kept] / sizes)))


def path(rows: Matrix, signs: Array, used: Array, grid: Sequence[float], tolerance: float = 1e-5) -> Iterator[Array]:
    """Yield the weights [axes, problems] for each C of an ascending grid, each found from the ones before.

    Args:
        rows: a `Block`'s rows [rows, axes].
        signs: +1 where a row is of the problem's class, else -1, [rows, problems].
        used: 1 where a row belongs to the problem's training fold, else 0, [rows, problems].
        tolerance: stop once the gradient is this small relative to that at zero weights (liblinear's own criterion with
            its default 1e-4 lies near this for one class in ten).
    """
    squares = rows.multiply(rows).tocsr() if sp.issparse(rows) else rows * rows
    before = now = np.zeros((rows.shape[1], signs.shape[1]))
    at_zero = np.linalg.norm(rows.T @ (used * signs), axis=0) / 2
    for strength in grid:
        start = 2 * now - before  # the path is close to linear in log C
        before, now = now, _solve(rows, squares, signs, used * strength, start, tolerance * strength * at_zero)
        yield now


def _solve(rows: Matrix, squares: Matrix, signs: Array, cost: Array, start: Array, enough: Array) -> Array:
    """Newton's method with conjugate gradients inside, for all problems side by side; `enough` is per problem."""
    weights = start.copy()
    scores = np.asarray(rows @ weights)
    active = np.arange(signs.shape[1])
    value = _objective(weights, scores, signs, cost)
    for _ in range(100):
        side, price = signs[:, active], cost[:, active]
        wrong = 1 / (1 + np.exp(np.clip(side * scores[:, active], -500, 500)))
        gradient = weights[:, active] - rows.T @ (price * side * wrong)
        size = np.linalg.norm(gradient, axis=0)
        going = size > enough[active]
        if not going.any():
            return weights
        active, side, price, wrong = active[going], side[:, going], price[:, going], wrong[:, going]
        gradient, size = gradient[:, going], size[going]
        step = _newton_step(rows, squares, price * wrong * (1 - wrong), gradient, size, enough[active])
        moved = np.asarray(rows @ step)
        slope = (gradient * step).sum(axis=0)
        length = np.ones(active.size)
        for _ in range(30):  # halve the step wherever it does not lower the objective enough
            trial, margins = weights[:, active] + length * step, scores[:, active] + length * moved
            reached = _objective(trial, margins, side, price)
            short = reached > value[active] + 1e-4 * length * slope + 1e-12 * np.abs(value[active])
            if not short.any():
                break
            length = np.where(short, length / 2, length)
        weights[:, active], scores[:, active], value[active] = trial, margins, reached
    return weights


def _objective(weights: Array, scores: Array, signs: Array, cost: Array) -> Array:
    margin = signs * scores
    loss = np.maximum(-margin, 0) + np.log1p(np.exp(-np.abs(margin)))
    return 0.5 * (weights * weights).sum(axis=0) + (cost * loss).sum(axis=0)


def _newton_step(rows: Matrix, squares: Matrix, curvature: Array, gradient: Array, size: Array, enough: Array) -> Array:
    """Solve (I + RᵀDR)·step = −gradient roughly: conjugate gradients, preconditioned by the Hessian's diagonal."""
    diagonal = 1 + np.asarray(squares.T @ curvature)
    target = np.maximum(0.1 * size, 0.3 * enough)
    step = np.zeros_like(gradient)
    residual = -gradient
    scaled = residual / diagonal
    direction = scaled
    energy = (residual * scaled).sum(axis=0)
    for _ in range(200):
        image = direction + np.asarray(rows.T @ (curvature * np.asarray(rows @ direction)))
        along = (direction * image).sum(axis=0)
        pace = np.divide(energy, along, out=np.zeros_like(energy), where=along > 0)
        step += pace * direction
        residual = residual - pace * image
        if (np.linalg.norm(residual, axis=0) <= target).all():
            break
        scaled = residual / diagonal
        fresh = (residual * scaled).sum(axis=0)
        direction = scaled + np.divide(fresh, energy, out=np.zeros_like(energy), where=energy > 0) * direction
        energy = fresh
    return step
