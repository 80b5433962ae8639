"""Several losses at once: weights by which their gradients make the shortest sum."""

from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def least_norm(gram: Array) -> Array:
    """Return the weights c >= 0 of sum 1 for which cᵀ G c is least [tasks], G being inner products [tasks, tasks].

    Exact, by each set of tasks that may have a weight: of the 2^tasks - 1 linear systems the best solution without a
    negative weight is it. Those of gradients that depend on each other are solved by a smaller set. Source of the
    problem: Désidéri, Multiple-gradient descent algorithm, 2012; Sener and Koltun, NeurIPS 2018, arXiv 1810.04650, who
    go there by Frank-Wolfe, as ParetoGNN's release does.

    Args:
        gram: float64, symmetric and positive semi-definite; at most about ten tasks.
    """
    tasks = len(gram)
    best, least = np.full(tasks, 1 / tasks), float("inf")
    for chosen in map(list, chain.from_iterable(combinations(range(tasks), size) for size in range(1, tasks + 1))):
        system = np.ones((len(chosen) + 1, len(chosen) + 1))
        system[:-1, :-1], system[-1, -1] = gram[np.ix_(chosen, chosen)], 0
        try:
            weights = np.linalg.solve(system, np.eye(len(chosen) + 1)[-1])[:-1]
        except np.linalg.LinAlgError:
            continue
        value = float(weights @ system[:-1, :-1] @ weights)
        if (weights >= 0).all() and value < least:
            best, least = np.zeros(tasks), value
            best[chosen] = weights
    return best / best.sum()
