"""Recommendations for one user and where their scores come from, and the items that the user's training pushed away."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data, HeteroData
from torch_geometric.utils import to_undirected

from workbench.datasets.bipartite import held_out, interactions
from workbench.datasets.door import as_computed
from workbench.datasets.kinds import content_hash
from workbench.encoders.lightgcn import LightGCN
from workbench.errors import UserError, whole_number
from workbench.evaluation.embeddings import by_item
from workbench.evaluation.ranking import user_items
from workbench.training.run import Run

OWN, TAKEN, INTENT = "own embedding", "taken item", "intent"


class Recommendation(NamedTuple):
    """What is recommended to a user.

    Attributes:
        user: whose.
        items: one row per item, the best first: rank, item, score, whether it is held_out, and because, a sentence of
            the parts of its score that weigh most.
        reasons: all parts of the scores, one row per part: item; part, "own embedding", "taken item" or "intent";
            number, of the taken item or intent, -1 for the user; share. The shares of an item add up to its score.
    """

    user: int
    items: pd.DataFrame
    reasons: pd.DataFrame


def recommend(run: Run, data: HeteroData, user: int, k: int = 10, told: int = 3) -> Recommendation:
    """Recommend the items of highest score that a user hasn't had in training, and say what the scores are made of.

    The embedding of a user adds up from the user's own learned one, from what each taken item brought along the layers
    of the graph, and from intents where a method has them. So does the score, the dot product with the item; what a
    taken item brought also holds what it had from others, and from the user, in the layers before.

    Args:
        run: of "lightgcn", "sgl", "lightgcl", "dccf" or the like.
        data: what it was trained on.
        user: number of the user, from 0.
        k: how many items at most; fewer where the user took nearly all.
        told: how many parts `because` names.

    Raises:
        UserError: other data, no such user, k below 1, told below 0, or a run whose encoder can't be taken apart.
    """
    kind, data = as_computed(data)
    scores, taken = _scores(run, data, user)
    if whole_number(k) is None or k < 1:
        raise UserError(f"k={k!r} items were asked for; it must be a whole number, 1 or above")
    if whole_number(told) is None:
        raise UserError(f"told={told!r} parts of a score were asked for; it must be a whole number, 0 or above")
    encoder = run.encoder
    assert isinstance(encoder, LightGCN)
    with torch.no_grad():
        parts = encoder.parts(kind.inputs(data), user)
    scores[taken] = -np.inf
    best = np.argsort(-scores, kind="stable")[: min(k, np.isfinite(scores).sum())]
    items = torch.as_tensor(run.embeddings["item"])[best.copy()]
    vectors = torch.cat([parts.own[None], parts.brought, parts.intents])
    numbers = [-1, *parts.items.tolist(), *range(len(parts.intents))]
    names = [OWN] + [TAKEN] * len(parts.items) + [INTENT] * len(parts.intents)
    shares = (items @ vectors.T).numpy()
    part = pd.DataFrame({"part": names, "number": numbers})
    reasons = pd.DataFrame({"item": best.repeat(len(part)), "part": names * len(best), "number": numbers * len(best)})
    reasons["share"] = shares.ravel()
    table = pd.DataFrame({"rank": np.arange(1, len(best) + 1), "item": best, "score": scores[best].astype(float)})
    table["held_out"] = np.isin(best, _held_out(data, user))
    table["because"] = [_because(part.assign(share=row), told) for row in shares]
    return Recommendation(user, table, reasons)


def _because(parts: pd.DataFrame, told: int) -> str:
    """Return the parts of a score that weigh most, in words."""
    most = parts.iloc[np.argsort(-parts["share"].abs().to_numpy(), kind="stable")[:told]]
    words = [f"{row.part}{'' if row.part == OWN else f' {row.number}'} {row.share:+.2f}" for row in most.itertuples()]
    alone = "" if (parts["part"] == TAKEN).any() else "no item was taken in training: "
    return alone + ", ".join(words)


def user_negatives(run: Run, data: HeteroData, user: int) -> pd.DataFrame:
    """Return how strongly Bayesian personalised ranking pushes each item that a user did not take in training.

    A triple of the user, a taken item i and another item j has the gradient sigmoid(s_j - s_i) on their difference. Its
    mean over i, at the scores of the trained embedding, is by what j is pushed where it is drawn.

    Returns:
        One row per item, those pushed most first: item; score; push in (0, 1); share, of all pushes; held_out, whether
        it is one that the user took after all, a false negative. Errors as for `recommend`, and for a user who took
        nothing in training and has no negatives.
    """
    data = as_computed(data)[1]
    scores, taken = _scores(run, data, user)
    others = np.setdiff1d(np.arange(len(scores)), taken)
    if not len(taken) or not len(others):
        raise UserError(f"user {user} took {'all items' if len(taken) else 'nothing'} in training and has no negatives")
    push = torch.sigmoid(torch.from_numpy(scores[others, None] - scores[taken])).mean(1).numpy()
    table = pd.DataFrame(
        {"item": others, "score": scores[others].astype(float), "push": push, "share": push / push.sum()}
    )
    table["held_out"] = np.isin(others, _held_out(data, user))
    return table.sort_values("push", ascending=False, kind="stable", ignore_index=True)


def one_graph(run: Run, data: HeteroData) -> tuple[Run, Data]:
    """Return a run on users and items as one on a graph of both, the users first, and that graph.

    Maps and the embedding explorer take the two as they are. The class of a node, and its attributes, say whether it is
    a user or an item, its name says which, and its edges are the training interactions, both ways.
    """
    table = by_item(run, data)
    users, items = len(table["user"]), len(table["item"])
    pairs = interactions(data) + torch.tensor([[0], [users]])
    graph = Data(edge_index=to_undirected(pairs, num_nodes=users + items), num_nodes=users + items, name=run.graph)
    graph.y = (torch.arange(users + items) >= users).long()
    graph.x = torch.nn.functional.one_hot(graph.y, 2).float()
    graph.class_names = ["user", "item"]
    graph.node_names = [f"user {user}" for user in range(users)] + [f"item {item}" for item in range(items)]
    embeddings = torch.cat([torch.as_tensor(run.embeddings[name]) for name in ("user", "item")])
    hashed = content_hash(graph)
    return replace(run, embeddings=embeddings, kind="nodes", graph_hash=hashed, names=graph.node_names), graph


def _scores(run: Run, data: HeteroData, user: int) -> tuple[Any, Any]:
    """Return a user's scores of all items [items] and which items the user took in training."""
    if getattr(run, "kind", "") != "bipartite" or not isinstance(run.encoder, LightGCN):
        raise UserError(
            "recommendations are made by a run on users and items whose encoder is a LightGCN or made of one"
        )
    table = by_item(run, data)
    users, number = len(table["user"]), whole_number(user)
    if number is None or number >= users:
        raise UserError(f"there is no user {user!r}; users are numbered 0 to {users - 1}")
    scores = np.asarray(table["item"] @ np.asarray(table["user"][number]).ravel(), np.float32)
    return scores, user_items(interactions(data), data)[number].indices


def _held_out(data: HeteroData, user: int) -> Any:
    """Return the items that are held out of a user."""
    test = held_out(data)
    return np.empty(0, np.int64) if test is None else user_items(test, data)[user].indices
