"""Random edits of edges: exact in number, symmetric, any choice as likely as another."""

from collections import Counter

import pytest
import torch
from torch_geometric.data import Batch

from workbench.datasets.edits import Pairs, distinct, edited
from workbench.datasets.synthetic.embedded import rings


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_choice_of_distinct_numbers_is_as_likely_as_any_other() -> None:
    draw, seen = generator(), Counter()
    for _ in range(3000):
        group, number = distinct(torch.tensor([2, 0, 3, 0]), torch.tensor([4, 0, 4, 1]), draw)
        assert group.tolist() == [0, 0, 2, 2, 2]
        seen[tuple(number[:2].tolist())] += 1
        seen[tuple(number[2:].tolist())] += 1
    assert len(seen) == 6 + 4
    assert all(abs(seen[key] - 3000 / (6 if len(key) == 2 else 4)) < 120 for key in seen)


@pytest.mark.parametrize("directed", [False, True])
def test_pairs_of_a_graph_are_numbered_without_a_gap(directed: bool) -> None:
    nodes = torch.tensor([5, 1, 0, 4])
    pairs = Pairs(nodes, directed)
    graph = torch.arange(4).repeat_interleave(pairs.sizes)
    code = torch.cat([torch.arange(size) for size in pairs.sizes.tolist()])
    ends = pairs.ends(graph, code)
    assert pairs.numbers(ends[:, : len(code)]).tolist() == list(range(int(pairs.sizes.sum())))
    assert len(ends.unique(dim=1).T) == len(ends.T) == 5 * 4 + 4 * 3 and (ends[0] != ends[1]).all()


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_edits_are_the_differences_of_the_sets_of_edges(directed: bool, again: bool) -> None:
    batch, draw = Batch.from_data_list(rings(graphs=40)), generator(1)
    removed, added = torch.arange(40) % 7, torch.arange(40) % 5
    after = edited(batch.edge_index, batch.ptr.diff(), removed, added, draw, directed, again)
    old, new = ({*map(tuple, entries.T.tolist())} for entries in (batch.edge_index, after.edge_index))
    assert len(new) == after.edge_index.shape[1] and all(a != b for a, b in new)
    if not directed:
        assert all((b, a) in new for a, b in new)
    for number in range(40):
        gone, came = ([pair for pair in pairs if batch.batch[pair[0]] == number] for pairs in (old - new, new - old))
        both = 1 if directed else 2
        assert len(came) - len(gone) == both * (int(added[number]) - int(removed[number]))
        if not again:
            assert (len(gone), len(came)) == (both * int(removed[number]), both * int(added[number]))


def test_a_graph_has_no_more_edits_than_it_has_pairs() -> None:
    path = torch.tensor([[0, 1, 1, 2, 3], [1, 0, 2, 1, 3]])  # a loop at a node of its own
    much = torch.full((3,), 9)
    after = edited(path, torch.tensor([3, 1, 0]), much, much, generator())
    assert after.removed.tolist() == [2, 0, 0] and after.added.tolist() == [1, 0, 0]
    assert {*map(tuple, after.edge_index.T.tolist())} == {(0, 2), (2, 0), (3, 3)}
    complete = torch.tensor([[0, 1], [1, 0]])
    after = edited(complete, torch.tensor([2]), torch.tensor([1]), torch.tensor([1]), generator(), again=True)
    assert after.edge_index.tolist() == [[0, 1], [1, 0]], "what has just gone may come back"
