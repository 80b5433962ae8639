"""Links that are held out of a graph before anything learns from it, and pairs that no link joins."""

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.bipartite import held_out, interactions
from workbench.datasets.kinds import kind_of
from workbench.datasets.labels import name_of
from workbench.datasets.structure import adjacency
from workbench.errors import UserError
from workbench.randomness import Randomness

HELD_OUT = ("val_edge_index", "test_edge_index")
"""Keys of a graph under which links lie that a method never sees [2, links], each once, the smaller node above."""

Pairs = NDArray[np.int64]


def hold_out_links(graph: Data, test: float = 0.1, validation: float = 0.05, seed: int = 0) -> Data:
    """Return a graph without some of its links, which stand under `HELD_OUT`; attributes and labels stay as they are.

    A link is two different nodes with an edge in either direction: both directions and each repeat leave together,
    which `RandomLinkSplit` of PyG assures for undirected graphs only. Loops stay. Shares are rounded down.

    Args:
        graph: with edge_index; what else it holds of each edge (edge_weight, ...) is cut along.
        test, validation: shares of the links.
        seed: of the choice.

    Raises:
        UserError: shares that leave no link to learn from or none to test, or attributes that were made of the edges.
    """
    name, report = graph.get("name") or "graph", graph.get("report")
    if any(graph.get(key) is not None for key in HELD_OUT):
        raise UserError(f"links of {name!r} are held out already")
    lines = [what for _, what, *_ in report.lines] if report else []
    made = next((what for what in lines if what.startswith("attributes from the edges")), "")
    if made and not made.endswith(": identity"):
        raise UserError(f"{name!r} has {made}, which would tell of the links held out; features='identity' does not")
    links = links_of(graph)
    counts = [int(share * links.shape[1]) for share in (validation, test)]
    if min(test, validation) < 0 or test + validation >= 1 or counts[1] < 1:
        raise UserError(f"{test:g} and {validation:g} of the {links.shape[1]:,} links of {name!r} can't be held out")
    order = np.random.default_rng(Randomness(seed).integer("held-out links")).permutation(links.shape[1])
    held, nodes = torch.from_numpy(links[:, order[: sum(counts)]]), int(graph.num_nodes or 0)
    low, high = graph.edge_index.aminmax(dim=0)
    stays = ~torch.isin(low * nodes + high, (held[0] * nodes + held[1]).to(low.device))
    cut = copy.copy(graph)
    for key in (key for key, value in graph if isinstance(value, Tensor) and graph.is_edge_attr(key)):
        cut[key] = graph[key][:, stays] if key == "edge_index" else graph[key][stays]
    return cut.update({key: part.clone() for key, part in zip(HELD_OUT, held.split(counts, dim=1), strict=True)})


def check_held_out(graph: Data) -> None:
    """Raise a UserError where held-out links are no pairs of nodes, or lie among the edges that are learned from."""
    nodes = int(graph.num_nodes or 0)
    low, high = graph.edge_index.aminmax(dim=0)
    for key in (key for key in HELD_OUT if graph.get(key) is not None):
        pairs = graph[key]
        if not isinstance(pairs, Tensor) or pairs.dim() != 2 or len(pairs) != 2 or pairs.dtype != torch.long:
            raise UserError(f"{key} must be an int64 tensor of shape [2, links]")
        if pairs.numel() and not 0 <= int(pairs.min()) <= int(pairs.max()) < nodes:
            raise UserError(f"{key} names nodes outside 0 to {nodes - 1}")
        least, most = pairs.aminmax(dim=0)
        if seen := int(torch.isin(least * nodes + most, low * nodes + high).sum()):
            raise UserError(f"{seen:,} links of {key} are among the edges too, so a method would see what is held out")


def links_of(graph: Data) -> Pairs:
    """Return the links that are learned from [2, links], each once, the smaller node above; no loops."""
    source, target = adjacency(graph).nonzero()
    return np.stack([source, target])[:, source < target].astype(np.int64)


def parts_of(data: Any) -> dict[str, Pairs]:
    """Return the "train", "validation" and "test" links of a graph, or of users and items [2, links] each.

    Raises:
        UserError: none are held out.
    """
    bipartite = kind_of(data).name == "bipartite"
    validation, test = (None, held_out(data)) if bipartite else map(data.get, HELD_OUT)
    if test is None or not test.size(1):
        how = "load_graph('NAME:links') and hold_out_links(graph) hold out a tenth"
        raise UserError(f"no links of {name_of(data)} are held out (test_edge_index), so none can be predicted; {how}")
    held = {"validation": validation, "test": test}
    parts = {key: part.cpu().numpy() for key, part in held.items() if part is not None}
    if not bipartite:
        parts = {key: np.sort(part, axis=0) for key, part in parts.items()}
    return parts | {"train": interactions(data).cpu().numpy() if bipartite else links_of(data)}


def pairs_without_link(links: Pairs, counts: tuple[int, ...], count: int, draw: np.random.Generator) -> Pairs:
    """Draw different pairs that no link joins, all alike likely [2, count], or all that there are where they are fewer.

    The pairs are numbered by row; the number of a drawn one is its rank among those without a link, moved behind the
    links before it, so that nothing is drawn twice or rejected, however dense the graph is.

    Args:
        links: [2, links]; of nodes the smaller one above.
        counts: how many nodes there are, or how many users and how many items.
        count: how many to draw.
        draw: the stream.
    """
    rows = np.arange(counts[0])
    first = rows + 1 if len(counts) == 1 else np.zeros_like(rows)
    starts = np.concatenate([[0], np.cumsum(counts[-1] - first)])
    taken = np.unique(starts[links[0]] + links[1] - first[links[0]])
    free = int(starts[-1]) - len(taken)
    rank = draw.choice(free, min(count, free), replace=False) if free else rows[:0]
    number = rank + np.searchsorted(taken - np.arange(len(taken)), rank, side="right")
    row = np.searchsorted(starts, number, side="right") - 1
    return np.stack([row, number - starts[row] + first[row]])
