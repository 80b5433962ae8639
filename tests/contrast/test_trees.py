"""Similarities of trees against sets, and who is given names."""

import itertools

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.contrast import Contrast
from workbench.contrast.trees import tree_similarities, trees
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.objectives.weighted import supcon
from workbench.randomness import Randomness

NAMES = ["a.b.c", "a.b.d", "a.b.c", "x", "x.y", "", "c.b.a", "a.b", "b.a.b.a", "x", "z"]


def sets(name: str) -> tuple[set, set, set]:
    parts = name.split(".")
    return set(parts), set(itertools.pairwise(parts)), {(*parts[: i + 1],) for i in range(len(parts))}


def alike(one: str, other: str) -> float:
    """The mean of the Jaccard indices of both names' sets, those left out that are empty in both."""
    pairs = [(a, b) for a, b in zip(sets(one), sets(other), strict=True) if a | b]
    return sum(len(a & b) / len(a | b) for a, b in pairs) / len(pairs)


@pytest.fixture
def named() -> Data:
    """A ring whose nodes have dotted names."""
    ring = torch.stack([torch.arange(11), (torch.arange(11) + 1) % 11])
    x = torch.randn(11, 6, generator=torch.Generator().manual_seed(0))
    return Data(x=x, edge_index=torch.cat([ring, ring.flip(0)], 1), node_names=NAMES, name="named")


def test_similarities_are_the_mean_of_three_jaccard_indices_from_the_least_on(named: Data) -> None:
    expected = np.array([[alike(a, b) if a and b else 0.0 for b in NAMES] for a in NAMES])
    paths = kind_of(named).targets(named, "paths").numpy()
    for least in (0.01, 0.5, 1.0):
        found = tree_similarities(paths, least)
        np.testing.assert_allclose(found.toarray(), np.where(expected >= least - 1e-9, expected, 0), rtol=1e-6)
        assert (found != found.T).nnz == 0 and found.nnz == found.count_nonzero()
    assert found.diagonal().tolist() == [1.0] * 5 + [0.0] + [1.0] * 5, "without a name there is no tree"


def test_shuffled_similarities_have_equal_row_sums_and_soft_targets_cost_at_least_their_entropy(named: Data) -> None:
    named.targets = kind_of(named).targets(named, "paths")
    soft, other = (trees(named, Randomness(0), shuffled=shuffled) for shuffled in (False, True))
    np.testing.assert_allclose(other.sum(1), soft.sum(1), rtol=1e-6)
    assert (soft != other).nnz > 0 and set(other.indices) <= set(soft.indices)
    mass = torch.from_numpy(soft.toarray()).double().fill_diagonal_(1.0)
    both = torch.cat([mass, mass.clone().fill_diagonal_(0)], 1)
    share = both / both.sum(1, keepdim=True)
    contrast = Contrast(0.07, positives=(mass.nonzero().T, mass[mass > 0]))
    rows = torch.randn(2, 11, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert bool((supcon(contrast, *rows) >= torch.special.entr(share).sum(1) - 1e-9).all())


def test_rules_that_hold_of_a_node_are_its_tree(small_graph: Data) -> None:
    found = trees(small_graph, Randomness(0), of="rules", least=0.3)
    assert found.nnz and found.data.min() >= 0.3 and found.data.max() == 1 and (found != found.T).nnz == 0
    plain = wb.fit("grace", small_graph, "small", progress=False)
    run = wb.fit("grace", small_graph, "small", progress=False, positives="trees", of="rules", objective="supcon")
    assert run.labels is None and not torch.equal(run.embeddings, plain.embeddings)


def test_names_are_labels_of_which_those_of_the_training_mask_are_seen(named: Data) -> None:
    named.train_mask = torch.arange(11) < 8
    more = {"positives": "trees", "objective": "supcon", "progress": False, "epochs": 2}
    run = wb.fit("grace", named, "small", **more)
    assert run.supervision == "supervised by 7 labels" and run.details["labelled"].tolist()[5:9] == [0, 1, 1, 0]
    other = named.clone()
    other.node_names = [*NAMES[:8], "q.r", "q", "s.t"]
    assert torch.equal(wb.fit("grace", other, "small", **more).embeddings, run.embeddings)
    other.node_names = ["q.r", *NAMES[1:]]
    assert wb.fit("grace", other, "small", **more).labels != run.labels
    with pytest.raises(UserError, match="these data have none \\(node_names\\)"):
        wb.fit("grace", Data(x=named.x, edge_index=named.edge_index), "small", **more)
    with pytest.raises(UserError, match="least of the positives 'trees' is 0"):
        wb.fit("grace", named, "small", **more, least=0.0)
    with pytest.raises(UserError, match="try of='names'"):
        wb.fit("simclr", torch.rand(9, 4), "small", **more, of="rules")
