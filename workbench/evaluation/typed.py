"""What a training on a typed graph does to the negatives of one target, as a table."""

from typing import Any

import numpy as np
import pandas as pd
from torch.nn.functional import normalize

from workbench.datasets.kinds import kind_of
from workbench.datasets.metapaths import relations
from workbench.errors import UserError, node_number
from workbench.evaluation.embeddings import check_same


def weighed_negatives(run: Any, data: Any, anchor: int) -> pd.DataFrame:
    """Return how hard the last step of a training pushed one target from each other one: a row each.

    Args:
        run: of a method that contrasts targets with all others. data: what it was trained on.
        anchor: number of the target.

    Returns:
        "node", "weight" W exp(B), "cosine" of the projections, "share" W exp(s / tau) of all that pushes, "joined by"
        the meta-paths or relations between the two, and "same class" where there are labels.

    Raises:
        UserError: a run without a contrast, other data, or no such target.
    """
    check_same(run, data)
    kind = kind_of(data)
    count = next(iter(kind.sizes(data).values()))
    anchor = node_number(anchor, count)
    contrast, projections = getattr(run, "contrast", None), getattr(run, "projections", ())
    if contrast is None or len(projections) != 2 or {len(part) for part in projections} != {count}:
        raise UserError(f"this run of {getattr(run, 'method', 'no method')} contrasts no targets with all others")
    weight = contrast.of_anchor(anchor, count)[1].numpy()
    u, v = (normalize(part, dim=1) for part in projections)
    cosine = (v @ u[anchor]).numpy()
    push = weight * np.exp((cosine - cosine.max()) / contrast.tau)
    paths, joined = {name: a[anchor].toarray()[0] > 0 for name, a in relations(data).items()}, np.full(count, "")
    joined = joined.astype(object)
    for name, there in paths.items():
        joined = np.where(there, np.where(joined == "", name, joined + f" and {name}"), joined)
    table = pd.DataFrame({"node": np.arange(count), "weight": weight, "cosine": cosine})
    table["share"], table["joined by"] = push / max(push.sum(), 1e-30), np.where(joined == "", "no meta-path", joined)
    if (y := kind.labels(data)) is not None:
        table["same class"] = (y == y[anchor]).numpy()
    return table.drop(index=anchor).reset_index(drop=True)
