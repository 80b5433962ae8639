"""How many dimensions a matrix of embeddings fills: its eigenvalues, effective rank, decay and constant columns."""

from typing import Any

import scipy.sparse as sp
import torch
from scipy.linalg import eigvalsh
from torch import Tensor

BLOCK = 8_192  # rows that are turned into float64 in one go
FIRST, LAST = 4, 100  # ranks of the eigenvalues that a power law is fitted to


def eigenvalues(rows: Any, centred: bool = False) -> Tensor:
    """Return the eigenvalues above rounding, float64, the largest first, of rows' products: X^T X of rows X [n, dim].

    They are the squared singular values of X, found from the smaller of X^T X and X X^T; X is a tensor or a SciPy
    matrix. There are none where a value is not finite. `centred` takes the mean off each column first, and divides by
    n: the eigenvalues of the covariance.
    """
    n, dim = rows.shape
    rows = rows.astype("float64") if sp.issparse(rows) else rows
    products = _products(rows if n > dim else rows.T)
    if centred and n > dim:
        total = rows.sum(0) if sp.issparse(rows) else rows.sum(0, dtype=torch.float64)
        mean = torch.as_tensor(total).reshape(-1) / n
        products = products / n - torch.outer(mean, mean)
    elif centred:
        products = (products - products.mean(0) - products.mean(1, keepdim=True) + products.mean()) / n
    if not products.isfinite().all():  # of a training that has come apart
        return torch.empty(0, dtype=torch.float64)
    # LAPACK's own choice, divide and conquer, now and then does not converge where eigenvalues repeat
    values = torch.from_numpy(eigvalsh(products.numpy(), driver="ev", check_finite=False)).clamp(min=0)
    return values[values > values.sum() * len(values) * torch.finfo(torch.float64).eps].flip(0)


def _products(rows: Any) -> Tensor:
    """Return X^T X of rows X [n, dim] in float64, without a copy of all of them."""
    if sp.issparse(rows):
        return torch.from_numpy((rows.T @ rows).toarray())
    parts = (part.double() for part in rows.split(BLOCK))
    products: Tensor = sum(part.T @ part for part in parts)
    return products


def effective_rank(rows: Any) -> float:
    """Return exp of the entropy of the singular values as shares of their sum, in dimensions; nan of zeros only.

    Of the matrix [n, dim] as it is (Roy and Vetterli, The effective rank, EUSIPCO 2007; as a score of embeddings
    RankMe, Garrido and others, ICML 2023).
    """
    values = eigenvalues(rows).sqrt()
    return float(torch.distributions.Categorical(values).entropy().exp()) if len(values) else float("nan")


def decay(rows: Any) -> float:
    """Return the exponent a of the power law j^-a that the covariance's eigenvalues follow; nan where too few are left.

    By least squares of logarithms over ranks j = 4 to 100, each weighted by 1 / j, so that the ranks from j to 2 j
    count alike wherever j is. Measured so, embeddings are said to be best near 1 (Agrawal and others, alpha-ReQ,
    NeurIPS 2022; the weights and the range are as in repositories that use their code; the paper's own were not seen).
    """
    values = eigenvalues(rows, centred=True)[FIRST - 1 : LAST]
    if len(values) < 2:
        return float("nan")
    ranks = torch.arange(FIRST, FIRST + len(values), dtype=torch.float64)
    x, y, weight = ranks.log(), values.log(), 1 / ranks
    x, y = x - (weight * x).sum() / weight.sum(), y - (weight * y).sum() / weight.sum()
    return -float((weight * x * y).sum() / (weight * x * x).sum())


def constant(rows: Any) -> float:
    """Return which share of the columns of rows [n, dim] is the same in all of them, up to the rounding of float32.

    That is a span of at most a millionth of the largest size in the column; a column of zeros is one, too.
    """
    if sp.issparse(rows):
        most, least = (torch.from_numpy(part.toarray().ravel()) for part in (rows.max(0), rows.min(0)))
    else:
        most, least = rows.amax(0), rows.amin(0)
    return float((most - least <= 1e-6 * torch.maximum(most.abs(), least.abs())).double().mean())
