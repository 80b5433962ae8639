"""Conformance of every strategy: within budget and range, same seed same set, reasons that re-derive the choice."""

import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.contrast.stars import spectral_clusters
from workbench.errors import UserError
from workbench.randomness import Randomness


@pytest.mark.parametrize("strategy", wb.negatives.names())
def test_every_strategy_keeps_its_promises(strategy: str, small_graph: Data) -> None:
    chosen, again = (wb.negatives.select(strategy, small_graph, k=6, seed=2) for _ in range(2))
    assert torch.equal(chosen.negatives, again.negatives) and chosen.reasons.equals(again.reasons)
    assert chosen.negatives.min() >= 0 and chosen.negatives.max() < 60
    assert chosen.weights.shape == chosen.negatives.shape
    assert strategy == "all" or chosen.negatives.shape[-1] <= 6
    assert chosen.reasons["negative"].tolist() == chosen.negatives.flatten().tolist()


def test_e2neg_reasons_rederive_the_centres(small_graph: Data) -> None:
    chosen = wb.negatives.select("e2neg", small_graph, k=6, seed=0)
    clusters, centrality = spectral_clusters(small_graph, 6, "largest", Randomness(0))
    for row in chosen.reasons.itertuples():
        members = torch.nonzero(clusters == row.cluster).flatten()
        assert len(members) == row.cluster_size
        assert int(members[centrality[members].argmax()]) == row.negative
    run = wb.fit("e2neg", small_graph, "defaults", epochs=0, dim=8, k=6, progress=False)
    assert torch.equal(run.details["centres"], chosen.anchors)


def test_uniform_differs_by_seed(small_graph: Data) -> None:
    a, b = (wb.negatives.select("uniform", small_graph, k=6, seed=s).negatives for s in (0, 1))
    assert not torch.equal(a, b) and len(a.unique()) == 6


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        ("e2ng", {}, "did you mean 'e2neg'"),
        ("uniform", {"k": 61}, "gives 1 to 60"),
        ("e2neg", {"k": 6, "spectrum": "smalest"}, "did you mean 'smallest'"),
        ("e2neg", {"k": 6, "spectra": "smallest"}, "did you mean 'spectrum'"),
    ],
)
def test_mistakes_are_named(small_graph: Data, strategy: str, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        wb.negatives.select(strategy, small_graph, **options)


def test_repeated_eigenvalues_do_not_make_the_clusters_random() -> None:
    # Sixty separate edges: the largest eigenvalue of the Laplacian is sixtyfold and the solver must restart.
    pairs = torch.arange(120).view(60, 2).T
    graph = Data(edge_index=torch.cat([pairs, pairs.flip(0)], 1), num_nodes=120)
    first, again, other = (spectral_clusters(graph, 6, "largest", Randomness(seed)) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])
