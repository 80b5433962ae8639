"""Four tasks for one embedding: classes of nodes, clusters, links that were held out, and parts of the graph."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.evaluation.embeddings import Embeddings
from workbench.evaluation.scores import evaluate

TASKS = ("nodes", "clusters", "links", "parts")


def four_tasks(
    embeddings: Mapping[str, Sequence[Embeddings]], graph: Data, splits: int = 3, seed: int = 0
) -> pd.DataFrame:
    """Score embeddings in four tasks, and rank them in each among those of the same place.

    nodes is the accuracy of random-10-10-80; clusters the normalised mutual information of k-means with the classes;
    links the AUC by cosine of links that were held out before training; parts the accuracy of random-10-10-80 where
    each node's class is its part of the graph, see protocol "parts". All in percent. The paper ranks methods over the
    same four tasks, with METIS's parts and links from a run of their own (ParetoGNN, arXiv 2210.02016, section 4).

    Args:
        embeddings: by name as many runs or matrices each, e.g. one for each training seed; None of them is trained on
            another graph than this.
        graph: with labels and held-out links, e.g. load_graph("cora:links").
        splits: of each protocol. seed: of the splits.

    Returns:
        One row a name and place: name, place, the four tasks, and rank, the mean over the tasks of the rank among the
        embeddings of that place, 1 for the best; of equal scores each has the mean of their ranks.
    """
    if len({len(several) for several in embeddings.values()}) != 1:
        raise UserError("four_tasks ranks place by place, so each name has as many embeddings as the others")
    quiet: dict[str, Any] = {"splits": splits, "seed": seed, "progress": False}
    rows = []
    for name, several in embeddings.items():
        for place, embedding in enumerate(several):
            said = {
                "nodes": evaluate(embedding, graph, "random-10-10-80", **quiet).accuracy,
                "clusters": evaluate(embedding, graph, "k-means", **quiet).measures["nmi"],
                "links": evaluate(embedding, graph, "links", **quiet).main,
                "parts": evaluate(embedding, graph, "parts", **quiet).accuracy,
            }
            rows.append({"name": name, "place": place, **{task: float(score) for task, score in said.items()}})
    table = pd.DataFrame(rows)
    ranks = table.groupby("place")[[*TASKS]].rank(ascending=False)
    return table.assign(rank=ranks.mean(axis=1))
