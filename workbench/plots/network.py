"""A small piece of a graph, laid out for drawing."""

from dataclasses import dataclass

import networkx as nx
import numpy as np
import plotly.graph_objects as go
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from torch_geometric.data import Data

from workbench.plots import style

BRANCHES = 5


@dataclass(frozen=True)
class Piece:
    """A connected piece of a graph.

    Attributes:
        nodes: int64 [shown], node ids; the first is the one that the piece was grown from.
        edges: int64 [2, drawn], positions in `nodes`, each undirected edge once.
        places: float64 [shown, 2].
        told: what is shown, in words.
    """

    nodes: NDArray[np.int64]
    edges: NDArray[np.int64]
    places: NDArray[np.float64]
    told: str


def adjacency(graph: Data) -> sp.csr_matrix:
    """Return the graph's unweighted adjacency, sparse [nodes, nodes]."""
    row, column = graph.edge_index.cpu().numpy()
    return sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(graph.num_nodes, graph.num_nodes))


def piece(graph: Data, size: int = 120, seed: int = 0) -> Piece:
    """Cut a piece of at most `size` nodes: grown from a seeded node of the largest component, by hops.

    Each node brings in at most five others, so that a hub does not fill the picture; every edge between the nodes that
    were reached is kept.
    """
    links = adjacency(graph)
    links = links.maximum(links.T).tocsr()
    _, component = connected_components(links, directed=False)
    members = np.flatnonzero(component == np.bincount(component).argmax())
    generator = np.random.default_rng(seed)
    reached = [int(generator.choice(members))]
    for node in reached:  # grows while it is walked; ends at `size`
        near = links.indices[links.indptr[node] : links.indptr[node + 1]]
        fresh = np.setdiff1d(near, reached)
        reached += generator.permutation(fresh)[: min(BRANCHES, size - len(reached))].tolist()
    nodes = np.array(reached)
    inside = sp.triu(links[nodes][:, nodes], k=1).tocoo()
    drawn = nx.Graph()
    drawn.add_nodes_from(range(len(nodes)))
    drawn.add_edges_from(zip(inside.row.tolist(), inside.col.tolist(), strict=True))
    places = nx.spring_layout(drawn, seed=seed, iterations=120, k=1.6 / np.sqrt(len(nodes)))
    told = f"{len(nodes)} of {graph.num_nodes:,} nodes, grown from node {reached[0]} (seed {seed})"
    return Piece(nodes, np.stack([inside.row, inside.col]), np.array([places[i] for i in range(len(nodes))]), told)


def lines(places: NDArray[np.float64], edges: NDArray[np.int64], colour: str = style.LIGHT) -> go.Scatter:
    """Return edges [2, drawn] between places [shown, 2] as one trace."""
    ends = places[edges]  # [2, drawn, 2]
    broken = np.full((1, edges.shape[1]), np.nan)
    x, y = (np.concatenate([ends[:, :, axis], broken]).T.ravel() for axis in (0, 1))
    return go.Scatter(x=x, y=y, mode="lines", line={"color": colour, "width": 1}, hoverinfo="skip", showlegend=False)
