"""Communities of a graph and how strongly each holds together, as CSGCL measures it."""

import networkx as nx
import torch
from torch import Tensor


def strengths(edges: Tensor, communities: Tensor) -> Tensor:
    """Return e/m - (d/2m)^2 of each community, whose sum is the modularity, float64 [communities].

    Args:
        edges: each undirected edge once [2, m]; a self-loop is one edge and adds 2 to a degree.
        communities: the number of each node's community [nodes].
    """
    first, second = communities[edges]
    count, m = int(communities.max()) + 1, max(edges.shape[1], 1)
    within = torch.bincount(first[first == second], minlength=count).double()
    degrees = torch.bincount(torch.cat([first, second]), minlength=count).double()
    return within / m - (degrees / (2 * m)) ** 2


def of_nodes(kind: str, edge_index: Tensor, nodes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the community of each node, by networkx's Louvain, and the strength it counts by, float64 [nodes] each.

    Both directions of an edge, and repeated ones, are one. The release finds communities by Leiden.
    """
    graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(edge_index.T.tolist())
    seed = int(torch.randint(2**31, (), generator=generator))
    found = nx.community.louvain_communities(graph, seed=seed) if len(graph.edges) else [{node} for node in graph]
    members = [torch.tensor(sorted(community)) for community in found]
    communities = torch.empty(nodes, dtype=torch.long)
    communities[torch.cat(members)] = torch.arange(len(members)).repeat_interleave(torch.tensor([*map(len, members)]))
    edges = torch.tensor(list(graph.edges), dtype=torch.long).reshape(-1, 2).T
    values = strengths(edges, communities)
    if kind == "degree":
        degree = torch.bincount(edges.flatten(), minlength=nodes).double()
        return communities, degree / degree.max().clamp(min=1) * values.max()
    if kind == "permuted":
        linked = torch.bincount(communities[edges.flatten()], minlength=len(values)).nonzero()[:, 0]
        values[linked] = values[linked[torch.randperm(len(linked), generator=generator)]]
    return communities, values[communities]
