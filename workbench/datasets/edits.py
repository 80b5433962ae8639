"""Random edits of the edges of many graphs at once, each exact in number: which go, and which come."""

from typing import NamedTuple

import torch
from torch import Tensor


def distinct(counts: Tensor, sizes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw so many distinct numbers below a size for each group, every choice as likely as any other.

    Args:
        counts: how many [groups], each at most the group's size.
        sizes: numbers to choose from, 0 to size - 1 [groups].
        generator: on the CPU, as the tensors are.

    Returns:
        The group of each number and the numbers, sorted by both [sum of counts].
    """
    first = sizes.cumsum(0) - sizes
    outside = 2 * counts > sizes  # the fewer ones that stay out are drawn there, so that few repeat
    drawn = torch.where(outside, sizes - counts, counts)
    codes = counts.new_empty(0)
    while True:
        missing = drawn - torch.bincount(_group(codes, first), minlength=len(sizes))
        group = torch.arange(len(sizes)).repeat_interleave(missing)
        if not len(group):
            break
        value = (torch.rand(len(group), generator=generator, dtype=torch.float64) * sizes[group]).long()
        codes = torch.cat([codes, first[group] + value]).unique()
    if bool(outside.any()):
        whole = outside.nonzero()[:, 0].repeat_interleave(sizes[outside])
        everything = first[whole] + places(sizes[outside])
        inside = codes[~outside[_group(codes, first)]]
        codes = torch.cat([inside, everything[~torch.isin(everything, codes)]]).sort().values
    group = _group(codes, first)
    return group, codes - first[group]


def _group(codes: Tensor, first: Tensor) -> Tensor:
    """Return the last group that begins at or before each code [codes]; an empty one never does so alone."""
    return torch.searchsorted(first, codes, right=True) - 1


def places(sizes: Tensor) -> Tensor:
    """Return 0 to size - 1 for each size, one after another [sum of sizes]."""
    return torch.arange(int(sizes.sum()), device=sizes.device) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)


class Pairs(NamedTuple):
    """The pairs of nodes within each of many graphs, numbered graph by graph; a node makes none with itself.

    Attributes:
        nodes: of each graph [graphs].
        directed: whether (a, b) and (b, a) are two pairs.
    """

    nodes: Tensor
    directed: bool

    @property
    def sizes(self) -> Tensor:
        """How many each graph has [graphs]."""
        return self.nodes * (self.nodes - 1) // (1 if self.directed else 2)

    def numbers(self, edge_index: Tensor) -> Tensor:
        """Return the number of the pair of each entry between two nodes [entries]; arguments as for `edited`."""
        first = self.nodes.cumsum(0) - self.nodes
        graph = torch.arange(len(self.nodes)).repeat_interleave(self.nodes)[edge_index[0]]
        a, b = edge_index - first[graph]
        if self.directed:
            code = a * (self.nodes[graph] - 1) + b - (b > a).long()
        else:
            a, b = torch.minimum(a, b), torch.maximum(a, b)
            code = b * (b - 1) // 2 + a
        return (self.sizes.cumsum(0) - self.sizes)[graph] + code

    def ends(self, graph: Tensor, code: Tensor) -> Tensor:
        """Return the entries that pairs of graphs make, numbered within their graph: both ways unless directed."""
        if self.directed:
            a, rest = code // (self.nodes[graph] - 1), code % (self.nodes[graph] - 1)
            b = rest + (rest >= a).long()
        else:
            b = ((1 + (1 + 8 * code.double()).sqrt()) / 2).long()
            b = b + (b * (b + 1) // 2 <= code).long() - (b * (b - 1) // 2 > code).long()
            a = code - b * (b - 1) // 2
        made = torch.stack([a, b]) + (self.nodes.cumsum(0) - self.nodes)[graph]
        return made if self.directed else torch.cat([made, made.flip(0)], 1)


class Edited(NamedTuple):
    """Edges after an edit.

    Attributes:
        edge_index: those that stayed in their order, then those that came [2, entries].
        removed, added: pairs that went and came in each graph [graphs].
    """

    edge_index: Tensor
    removed: Tensor
    added: Tensor


def edited(
    edge_index: Tensor,
    nodes: Tensor,
    removed: Tensor,
    added: Tensor,
    generator: torch.Generator,
    directed: bool = False,
    again: bool = False,
) -> Edited:
    """Remove random pairs of joined nodes in each of many graphs and join random other pairs, all on the CPU.

    A graph that has fewer pairs to remove, or to join, than are asked for has all of them done. Loops stay.

    Args:
        edge_index: of all graphs, those of one numbered after another's [2, entries].
        nodes: of each graph [graphs].
        removed, added: pairs to remove and to join in each graph [graphs].
        generator: on the CPU.
        directed: whether the entry of each direction is a pair by itself, so that a graph loses its symmetry.
        again: whether a pair that was just removed may be joined again.
    """
    pairs, proper = Pairs(nodes, directed), edge_index[0] != edge_index[1]
    sizes, graphs = pairs.sizes, len(nodes)
    start = sizes.cumsum(0) - sizes
    links, link_of = pairs.numbers(edge_index[:, proper]).unique(return_inverse=True)
    counts = torch.bincount(_group(links, start), minlength=graphs)
    removed = torch.minimum(removed, counts)
    graph, place = distinct(removed, counts, generator)
    gone = torch.zeros(len(links), dtype=torch.bool)
    gone[(counts.cumsum(0) - counts)[graph] + place] = True
    stays = torch.ones(edge_index.shape[1], dtype=torch.bool)
    stays[proper] = ~gone[link_of]
    barred = links[~gone] if again else links
    counts = torch.bincount(_group(barred, start), minlength=graphs)
    added = torch.minimum(added, sizes - counts)
    graph, rank = distinct(added, sizes - counts, generator)
    # The pair of a rank among those that aren't barred lies as much further on as there are barred ones before it.
    begins, before = (sizes - counts).cumsum(0) - (sizes - counts), counts.cumsum(0) - counts
    of = _group(barred, start)
    free = begins[of] + (barred - start[of]) - (torch.arange(len(barred)) - before[of])
    code = rank + torch.searchsorted(free, begins[graph] + rank, right=True) - before[graph]
    return Edited(torch.cat([edge_index[:, stays], pairs.ends(graph, code)], 1), removed, added)
