"""Conformance of every sampler: within budget and range, same seed same set, reasons that re-derive the choice."""

import dataclasses
import json
import linecache
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.metrics.pairwise import cosine_similarity
from torch.nn.functional import normalize
from torch_geometric.data import Data
from torch_geometric.utils import to_networkx

import workbench as wb
from workbench import methods, rules
from workbench.config import Part, options_of
from workbench.contrast.negatives import context
from workbench.contrast.negatives.context import SamplingContext
from workbench.contrast.negatives.samplers import clustered, drawn
from workbench.contrast.negatives.samplers.clustered import spectral_clusters
from workbench.contrast.negatives.selection import SAMPLERS, Selection
from workbench.errors import UserError
from workbench.randomness import Randomness
from workbench.training.code_version import _version

NAMES = wb.negatives.names()
LISTED = ["different-cluster", "hardest", "hop-far", "hop-near", "mixing", "ring", "same-cluster", "semi-hard",
          "uniform-each"]  # fmt: skip
K = 6


def rows_of(chosen: Selection) -> dict[int, list[int]]:
    """Every anchor with its negatives, itself and gaps left out."""
    anchor, negative, _ = chosen.pairs()
    return {one: negative[anchor == one].tolist() for one in chosen.anchors.tolist()}


def hops(graph: Data) -> pd.DataFrame:
    """The hop distance of all pairs by networkx, infinite where there is no path."""
    links = to_networkx(graph, to_undirected=True)
    links.remove_edges_from(nx.selfloop_edges(links))
    far = dict(nx.all_pairs_shortest_path_length(links))
    return pd.DataFrame(far).reindex(index=range(graph.num_nodes), columns=range(graph.num_nodes)).fillna(np.inf)


@pytest.mark.parametrize("sampler", NAMES)
def test_every_sampler_keeps_its_promises(sampler: str, small_graph: Data) -> None:
    chosen, again = (wb.negatives.select(sampler, small_graph, k=K, seed=2) for _ in range(2))
    assert torch.equal(chosen.negatives, again.negatives) and chosen.reasons.equals(again.reasons)
    real = chosen.negatives[chosen.negatives >= 0]
    assert len(real) and real.max() < 60 and chosen.negatives.min() >= -1
    assert chosen.weights.shape == chosen.negatives.shape
    assert ((chosen.weights > 0) == (chosen.negatives >= 0)).all()
    assert sampler == "all" or chosen.negatives.shape[-1] <= K
    assert chosen.shared == (sampler not in LISTED)
    if not chosen.shared:
        assert chosen.negatives.shape == (60, K) and not (chosen.negatives == chosen.anchors[:, None]).any()
    for anchor, negatives in rows_of(chosen).items():
        assert anchor not in negatives and len(set(negatives)) == len(negatives)
    assert chosen.reasons["negative"].tolist() == real.tolist()
    assert len(chosen.sentences()) == len(real) and all(chosen.sentences())


@pytest.mark.parametrize("sampler", NAMES)
def test_labels_are_never_looked_at(sampler: str, small_graph: Data) -> None:
    poisoned = small_graph.clone()
    poisoned.y, poisoned.train_mask = poisoned.y.flip(0) + 7, ~poisoned.train_mask
    a, b = (wb.negatives.select(sampler, graph, k=K, seed=1) for graph in (small_graph, poisoned))
    assert torch.equal(a.negatives, b.negatives) and torch.equal(a.weights, b.weights)


@pytest.mark.parametrize("sampler", NAMES)
def test_an_anchor_gets_the_same_whoever_else_is_asked(sampler: str, small_graph: Data) -> None:
    every = wb.negatives.select(sampler, small_graph, k=K, seed=3)
    for anchors in ([17], [3, 17, 58]):
        some = wb.negatives.select(sampler, small_graph, k=K, seed=3, anchors=anchors)
        assert some.anchors.tolist() == anchors
        if every.shared:
            assert torch.equal(some.negatives, every.negatives)
            continue
        assert torch.equal(some.negatives, every.negatives[anchors])
        wanted = every.reasons[every.reasons["anchor"].isin(anchors)].reset_index(drop=True)
        pd.testing.assert_frame_equal(some.reasons, wanted)
        one = every.of(17)
        assert one.negatives.tolist() == [every.negatives[17].tolist()]
        assert one.reasons.equals(every.reasons[every.reasons["anchor"] == 17].reset_index(drop=True))


@pytest.mark.parametrize("sampler", NAMES)
@pytest.mark.parametrize(
    "graph",
    [
        Data(x=torch.eye(3), edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=3),
        Data(x=torch.ones(2, 2), edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=2),
        Data(x=torch.zeros(4, 2), edge_index=torch.tensor([[0, 0, 1], [0, 1, 0]]), num_nodes=4),
        Data(x=torch.ones(1, 1), edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=1),
    ],
    ids=["a pair and one alone", "no edge", "no attributes to speak of", "a single node"],
)
def test_tiny_graphs_are_survived_or_refused_in_a_sentence(sampler: str, graph: Data) -> None:
    try:
        chosen = wb.negatives.select(sampler, graph, k=1)
    except UserError as error:
        assert len(str(error)) < 200
        return
    for anchor, negatives in rows_of(chosen).items():
        assert anchor not in negatives and all(0 <= one < graph.num_nodes for one in negatives)
    assert len(chosen.reasons) == len(chosen.sentences())


def test_hop_far_and_hop_near_keep_their_distance(small_graph: Data) -> None:
    far = hops(small_graph)
    chosen = wb.negatives.select("hop-far", small_graph, k=K, hops=3)
    for anchor, negatives in rows_of(chosen).items():
        fitting = set(np.flatnonzero(far[anchor] >= 3))
        assert set(negatives) <= fitting and len(negatives) == min(K, len(fitting))
    told = chosen.reasons
    wanted = [far.loc[row.anchor, row.negative] for row in told.itertuples()]
    assert told["hops"].tolist() == [-1 if np.isinf(one) else one for one in wanted]
    assert any("no path leads to it" in sentence for sentence in chosen.sentences())
    near = wb.negatives.select("hop-near", small_graph, k=K, hops=2)
    for anchor, negatives in rows_of(near).items():
        fitting = set(np.flatnonzero(far[anchor] <= 2)) - {anchor}
        assert set(negatives) <= fitting and len(negatives) == min(K, len(fitting))
    assert near.reasons["hops"].between(1, 2).all()


def test_a_hub_is_looked_up_by_halves_and_named_where_it_makes_too_many_pairs(
    small_graph: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves = torch.arange(1, 400)
    star = Data(x=torch.eye(402)[:, :5], edge_index=torch.stack([torch.zeros_like(leaves), leaves]))
    for graph in (small_graph, star):
        chosen = []
        for long in (10**9, 0):  # by scipy, which looks at one entry of a row after the other, and by halves
            monkeypatch.setattr(drawn, "LONG", long)
            chosen.append(wb.negatives.select("hop-far", graph, k=K, hops=3).negatives)
        assert torch.equal(*chosen)
    monkeypatch.setattr(sp.csr_matrix, "__getitem__", lambda *_: pytest.fail("a long row was looked at by scipy"))
    assert drawn._contains(sp.csr_matrix(np.eye(3)), np.array([[0], [2]]), np.array([0, 1, 2])).tolist() == [
        [True, False, False],
        [False, False, True],
    ]
    monkeypatch.setattr(context, "MOST_PAIRS", 50_000)
    with pytest.raises(UserError, match=r"within 2 hops .* more than 50,000 pairs .*node 0 alone is joined to 399\)"):
        wb.negatives.select("hop-far", star, k=K, hops=3)


def test_draws_are_uniform_over_what_fits(small_graph: Data) -> None:
    fitting = np.flatnonzero(hops(small_graph)[7] >= 3)
    drawn = [rows_of(wb.negatives.select("hop-far", small_graph, k=3, seed=s, anchors=7))[7] for s in range(600)]
    counts = np.bincount(np.concatenate(drawn), minlength=60)[fitting]
    expected = 1800 / len(fitting)
    assert counts.sum() == 1800 and (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


def cosines(graph: Data) -> np.ndarray:
    found = cosine_similarity(graph.x.numpy())
    np.fill_diagonal(found, -np.inf)
    return found


def test_hardest_and_semi_hard_rederive_by_a_loop(small_graph: Data) -> None:
    table = cosines(small_graph)
    chosen, half = (wb.negatives.select(name, small_graph, k=K) for name in ("hardest", "semi-hard"))
    for anchor, negatives in rows_of(chosen).items():
        ordered = np.sort(table[anchor])[::-1]
        np.testing.assert_allclose(table[anchor, negatives], ordered[:K], atol=1e-6)
    told = chosen.reasons
    np.testing.assert_allclose(told["cosine"], [table[r.anchor, r.negative] for r in told.itertuples()], atol=1e-6)
    nexts = told.groupby("anchor")["displaced"].first()
    np.testing.assert_allclose([table[a, d] for a, d in nexts.items()], np.sort(table, 1)[:, -K - 1], atol=1e-6)
    for anchor, negatives in rows_of(half).items():
        below = np.sort(table[anchor][table[anchor] < 1 - 1e-6])[::-1]
        np.testing.assert_allclose(table[anchor, negatives], below[:K], atol=1e-6)


def test_semi_hard_looks_at_the_positive_of_two_views() -> None:
    context = SamplingContext(Data(x=torch.eye(4), edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=4))
    angles = torch.tensor([0.0, 0.2, 0.5, 1.5])
    context.see(torch.stack([angles.cos(), angles.sin()], 1), torch.full((4,), 0.95))
    chosen = wb.negatives.choose(context, "semi-hard", 2)
    assert rows_of(chosen)[0] == [2, 3]  # node 1 has cosine 0.98, more than the positive
    assert rows_of(wb.negatives.choose(context, "semi-hard", 2, margin=0.5))[0] == [3]


def test_a_ring_lies_between_its_percentiles(small_graph: Data) -> None:
    embedding = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    table = cosine_similarity(embedding.numpy())
    chosen = wb.negatives.select("ring", small_graph, k=K, embedding=embedding, low=40.0, high=70.0)
    for anchor, negatives in rows_of(chosen).items():
        others = np.delete(table[anchor], anchor)
        assert len(negatives) == K
        assert all(39 <= 100 * (others < table[anchor, one] - 1e-7).mean() <= 71 for one in negatives)
    assert chosen.reasons["percentile"].between(39, 71).all()


def test_clusters_are_one_s_own_or_another(small_graph: Data) -> None:
    for name in ("same-cluster", "different-cluster"):
        told = wb.negatives.select(name, small_graph, k=K, clusters=4).reasons
        assert ((told["cluster"] == told["own_cluster"]) == (name == "same-cluster")).all()
    found = SamplingContext(small_graph).clusters(4, Randomness(0))[0]
    assert [found[one] for one in told["negative"]] == told["cluster"].tolist()


def test_e2neg_reasons_rederive_the_centres(small_graph: Data) -> None:
    chosen = wb.negatives.select("e2neg", small_graph, k=6, seed=0)
    clusters, centrality = spectral_clusters(small_graph, 6, "largest", Randomness(0))
    for row in chosen.reasons.itertuples():
        members = torch.nonzero(clusters == row.cluster).flatten()
        assert len(members) == row.cluster_size
        assert int(members[centrality[members].argmax()]) == row.negative
        if row.displaced >= 0:
            assert float(centrality[row.displaced]) == float(centrality[members].sort(descending=True).values[1])
    run = wb.fit("e2neg", small_graph, "defaults", epochs=0, dim=8, k=6, progress=False)
    assert torch.equal(run.details["centres"], chosen.anchors)
    smooth = wb.negatives.select("e2neg", small_graph, k=6, spectrum="smallest").negatives
    assert not torch.equal(smooth, chosen.negatives)


def test_kmeans_centres_are_nearest_to_their_centre(small_graph: Data) -> None:
    context = SamplingContext(small_graph)
    found, distance = context.clusters(5, Randomness(0))
    for row in wb.negatives.select("kmeans-centres", small_graph, k=5).reasons.itertuples():
        members = np.flatnonzero(found == row.cluster)
        assert row.distance == distance[members].min() and row.negative in members


def test_rule_weights_are_the_truth_of_the_rule(small_graph: Data) -> None:
    graded = {"rule": "degree(v) >= 5", "rule_semantics": "product", "rule_steepness": 1.0}
    chosen = wb.negatives.select("rule-weighted", small_graph, k=20, **graded)
    truth = rules.evaluate("degree(v) >= 5", small_graph, "product", 1.0)
    torch.testing.assert_close(chosen.weights, truth[chosen.negatives])
    crisp = wb.negatives.select("rule-weighted", small_graph, k=20, rule="degree(v) >= 5")
    assert (rules.evaluate("degree(v) >= 5", small_graph)[crisp.negatives] == 1).all()


def test_mixing_takes_its_parents_from_the_hardest_of_the_drawn(small_graph: Data) -> None:
    chosen = wb.negatives.select("mixing", small_graph, k=12, seed=1, synthetic=5, harder=3, parents=4)
    drawn = wb.negatives.select("uniform-each", small_graph, k=12, seed=1)
    table, (first, second, share) = cosines(small_graph), chosen.mixed
    assert first.shape == second.shape == (60, 8) and share.shape == (8,)
    for anchor, negatives in rows_of(chosen).items():
        assert sorted(negatives) == sorted(rows_of(drawn)[anchor])
        assert (np.diff(table[anchor, negatives]) <= 1e-9).all()
        assert {*first[anchor].tolist(), *second[anchor, :5].tolist()} <= set(negatives[:4])
    assert (second[:, 5:] == chosen.anchors[:, None]).all() and (share[5:] >= 0.5).all()


def test_uniform_differs_by_seed_and_degree_weighted_by_degree(small_graph: Data) -> None:
    a, b = (wb.negatives.select("uniform", small_graph, k=6, seed=s).negatives for s in (0, 1))
    assert not torch.equal(a, b) and len(a.unique()) == 6
    degree = SamplingContext(small_graph).degree
    drawn = [wb.negatives.select("degree-weighted", small_graph, k=1, seed=s).negatives for s in range(2000)]
    share = np.bincount(torch.cat(drawn), minlength=60) / 2000
    assert share[degree == 0].sum() == 0 and np.abs(share - degree / degree.sum()).max() < 0.015


@pytest.mark.parametrize(
    ("sampler", "options", "message"),
    [
        ("e2ng", {}, "did you mean 'e2neg'"),
        ("uniform", {"k": 61}, "gives 1 to 60"),
        ("uniform", {"k": 0}, "gives 1 to 60"),
        ("uniform", {"k": True}, "gives 1 to 60"),
        ("e2neg", {"k": 6, "spectrum": "smalest"}, "did you mean 'smallest'"),
        ("e2neg", {"k": 6, "spectra": "smallest"}, "did you mean 'spectrum'"),
        ("hop-far", {"hop": 3}, "did you mean 'hops'"),
        ("hop-far", {"hops": "3"}, "must be a whole number"),
        ("hop-near", {"hops": 0}, "at least 1"),
        ("ring", {"low": 80, "high": 20}, "low < high"),
        ("same-cluster", {"clusters": 0}, "0 clusters were asked for"),
        ("rule-weighted", {"rule": "degree(v)"}, "is a score"),
        ("rule-weighted", {"rule": "degree(v) > 999"}, "true of no node"),
        ("debiased", {"class_prior": 1.0}, "below 1"),
        ("hardest", {"anchors": 60}, "there is no node 60"),
        ("hardest", {"embedding": torch.eye(3)}, r"one row per node \[60, dim\]"),
        ("hardest", {"embedding": "grace"}, "a run or a matrix"),
        ("hardest", {"embedding": torch.full((60, 2), torch.nan)}, "not finite"),
        ("uniform", {"seed": -1}, "seed is -1"),
        ("uniform", {"seed": "a"}, "seed is 'a'"),
        ("uniform", {"anchors": 3.7}, "there is no node 3.7"),
        ("uniform", {"anchors": "12"}, "there is no node '12'"),
        ("uniform", {"anchors": [[1, 2]]}, "there is no node"),
        ("uniform", {"anchors": torch.tensor([True, False])}, "there is no node True"),
        ("semi-hard", {"margin": float("nan")}, "finite number"),
        ("mixing", {"synthetic": 10**11}, "from 0 to 1,000"),
    ],
)
def test_mistakes_are_named(small_graph: Data, sampler: str, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        wb.negatives.select(sampler, small_graph, **{"k": 6, **options})


def test_a_graph_that_is_none_is_named() -> None:
    for graph, message in (
        ("cora", "not str"),
        (Data(x=torch.eye(3)), "without edges"),
        (
            Data(x=torch.eye(3), edge_index=torch.tensor([[0], [9]])),
            r"edge 0 joins \[0, 9\], but nodes are numbered 0 to 2",
        ),
    ):
        with pytest.raises(UserError, match=message):
            wb.negatives.select("uniform", graph, k=1)


def test_numbers_of_numpy_and_far_hops_do(small_graph: Data) -> None:
    one = wb.negatives.select("hop-near", small_graph, k=np.int64(4), anchors=np.int64(5), hops=10**6)
    assert one.anchors.tolist() == [5] and len(rows_of(one)[5]) == 4
    embedding = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    a, b = (wb.negatives.select("hardest", small_graph, k=4, embedding=e) for e in (embedding, embedding.numpy()))
    assert torch.equal(a.negatives, b.negatives)


def test_a_context_clusters_anew_for_another_seed(small_graph: Data) -> None:
    context = wb.negatives.context_of(small_graph)
    kept = [wb.negatives.choose(context, "kmeans-centres", 5, seed).negatives for seed in (0, 1, 0)]
    fresh = [wb.negatives.select("kmeans-centres", small_graph, 5, seed).negatives for seed in (0, 1, 0)]
    assert all(map(torch.equal, kept, fresh)) and not torch.equal(kept[0], kept[1])


def test_a_cosine_of_minus_one_is_no_missing_quantity() -> None:
    graph = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [1]]), num_nodes=2)
    chosen = wb.negatives.select("hardest", graph, 1, embedding=torch.tensor([[1.0], [-1.0]]))
    assert chosen.sentences() == ["number 1 by cosine, -1.000"] * 2  # and nobody was displaced


def test_similarities_in_training_are_means_of_the_four_cosines(small_graph: Data) -> None:
    config = methods.configure("grace", "defaults", "small", {"negatives": "hardest", "k": 4})[1]
    model = methods.get("grace")(config, small_graph, Randomness(0))
    step = model.step(small_graph)
    u, v = (normalize(view.detach(), dim=1) for view in step.kept["projections"])
    four = (u @ u.T + u @ v.T + v @ u.T + v @ v.T) / 4
    torch.testing.assert_close(model.negatives.context.similarity(np.arange(60)), four)
    torch.testing.assert_close(model.negatives.context.positive, (u * v).sum(1))


def test_repeated_eigenvalues_do_not_make_the_clusters_random() -> None:
    # Sixty separate edges: the largest eigenvalue of the Laplacian is sixtyfold and the solver must restart.
    pairs = torch.arange(120).view(60, 2).T
    graph = Data(edge_index=torch.cat([pairs, pairs.flip(0)], 1), num_nodes=120)
    first, again, other = (spectral_clusters(graph, 6, "largest", Randomness(seed)) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_iterated_vectors_span_what_the_exact_ones_span_where_there_is_a_gap() -> None:
    # Five groups that hardly touch: five eigenvalues near the largest, all others far below.
    draw = np.random.default_rng(0)
    block = np.kron(np.eye(5), np.full((40, 40), 0.5)) + 0.01 > draw.random((200, 200))
    a = np.triu(block, 1).astype(float)
    a += a.T
    root = a.sum(1) ** -0.5
    matrix = sp.csr_matrix(np.eye(200) + root[:, None] * a * root)
    start = draw.standard_normal((200, 5 + clustered.EXTRA), np.float32)
    found = clustered._iterated(matrix, start)[:, :5]
    values, vectors = np.linalg.eigh(matrix.toarray())
    assert values[-5] - values[-6] > 0.3
    np.testing.assert_allclose(np.linalg.norm(vectors[:, -5:].T @ found, axis=0), 1.0, atol=1e-3)
    np.testing.assert_allclose(np.einsum("ij,ij->j", found, matrix @ found), values[:-6:-1], atol=1e-4)
    assert (found == clustered._iterated(matrix, start)[:, :5]).all()


# ------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("sampler", NAMES)
def test_every_sampler_trains_is_stored_and_goes_on_with_the_negatives_that_it_had(
    sampler: str, small_graph: Data, tmp_path: Path
) -> None:
    asked = {"epochs": 7, "dim": 8, "projection": 8, "negatives": sampler, "k": 5, "redraw": 3, "progress": False}
    whole = wb.fit("grace", small_graph, "defaults", store=tmp_path / "whole", **asked)
    cut = tmp_path / "cut"
    stopped = wb.fit("grace", small_graph, "defaults", store=cut, callback=lambda told: told.epoch < 5, **asked)
    assert not stopped.complete and stopped.epochs == 5
    rest = wb.fit("grace", small_graph, "defaults", store=cut, **asked)
    assert rest.complete and torch.equal(rest.embeddings, whole.embeddings)
    loaded = wb.runs.load(whole.path)
    assert len(loaded.projections) == 2 and torch.equal(loaded.projections[0], whole.projections[0])
    assert loaded.config == whole.config and loaded.contrast.class_prior == whole.contrast.class_prior
    for one, other in ((loaded.contrast, whole.contrast), (rest.contrast, whole.contrast)):
        assert (one.candidates is None) == (sampler == "all")
        assert sampler == "all" or torch.equal(one.candidates, other.candidates)
        assert (one.mixed is None) == (sampler != "mixing")
        assert one.mixed is None or torch.equal(one.mixed.first, other.mixed.first)


def test_a_run_stored_when_the_contrast_held_its_objective_is_still_read(small_graph: Data, tmp_path: Path) -> None:
    asked = {"epochs": 1, "dim": 8, "projection": 8, "negatives": "debiased", "k": 5, "objective": "dclw"}
    run = wb.fit("grace", small_graph, "defaults", store=tmp_path, progress=False, **asked)
    file = run.path / "run.json"
    facts = json.loads(file.read_text())
    # What was written before: options in a list, the preset with what was changed, no kind, shape, weights, checksums.
    lacking = ("kind", "shape", "changed", "key", "files", "sha256")
    before = {name: value for name, value in facts.items() if name not in lacking}
    before["preset"] = "defaults + epochs=1, negatives=debiased, k=5, objective=dclw, class_prior=0.05"
    before["config"] = facts["config"] | {"options": [["class_prior", 0.05]]}
    del facts["contrast"]["paired"]
    before["contrast"] = facts["contrast"] | {"views": 2, "positive_weight": 0.0, "objective": "dclw"}
    file.write_text(json.dumps(before))
    (run.path / "weights.safetensors").unlink()
    loaded = wb.runs.load(run.path)
    assert torch.equal(loaded.embeddings, run.embeddings)
    assert (
        loaded.config.negatives == Part("debiased", (("class_prior", 0.05),)) and loaded.config.objective.name == "dclw"
    )
    assert loaded.asked.changed["class_prior"] == "0.05"
    assert loaded.contrast.paired and loaded.contrast.class_prior == run.contrast.class_prior > 0
    assert torch.equal(loaded.contrast.candidates, run.contrast.candidates)


def test_negatives_are_chosen_anew_as_often_as_asked(small_graph: Data) -> None:
    def seen(**asked: object) -> list[torch.Tensor]:
        found = []
        model = methods.get("grace")(
            methods.configure("grace", "defaults", "small", asked)[1], small_graph, Randomness(0)
        )
        for _ in range(5):
            found.append(model.step(small_graph).kept["contrast"].candidates)
        return found

    each = seen(negatives="uniform", k=5)
    assert len({tuple(one.tolist()) for one in each}) == 5
    assert torch.equal(each[0], wb.negatives.select("uniform", small_graph, k=5).negatives)
    kept = seen(negatives="uniform", k=5, redraw=0)
    assert all(torch.equal(one, kept[0]) for one in kept)
    second = seen(negatives="hop-far", k=5, redraw=2)
    assert [torch.equal(a, b) for a, b in pairwise(second)] == [True, False, True, False]
    fixed = seen(negatives="e2neg", k=5)
    assert all(one is fixed[0] for one in fixed)  # nothing is drawn or looked at, so it is chosen once


def test_other_methods_take_negatives_too(small_graph: Data) -> None:
    run = wb.fit("str-gcl", small_graph, "quick", epochs=2, negatives="hop-far", hops=2, k=5, progress=False)
    assert run.contrast.candidates.shape == (60, 5) and run.config.negatives == Part("hop-far", (("hops", 2),))
    centres = wb.fit("e2neg", small_graph, "defaults", epochs=2, dim=8, k=8, negatives="hop-far", progress=False)
    ids, (anchor, negative) = centres.contrast.nodes, centres.contrast.candidates.shape
    assert (anchor, negative) == (len(ids), len(ids) - 1)
    far = hops(small_graph)
    for row, listed in enumerate(centres.contrast.candidates.tolist()):
        assert all(far.loc[int(ids[row]), int(ids[one])] >= 3 for one in listed if one != row)
    few = wb.fit("e2neg", small_graph, "defaults", epochs=2, dim=8, k=8, negatives="hardest", each=2, progress=False)
    assert few.contrast.candidates.shape[1] == 2


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"negatives": "hop-fra"}, "did you mean 'hop-far'"),
        ({"negatives": "hop-far", "hop": 3}, "did you mean 'hops'"),
        ({"hops": 3}, "unknown parameter 'hops' of method"),
        ({"negatives": "hop-far", "hops": 2.5}, "must be a whole number"),
        ({"k": 0}, "must be at least 1"),
        ({"objective": "dlc"}, "did you mean 'dcl'"),
        ({"objective": "cacr", "negatives": "mixing"}, "not defined for negatives of sampler 'mixing'"),
        ({"options": 3}, "unknown parameter 'options'"),
        ({"objective": "dclw", "sigma": 0.0}, "must be above 0"),
        ({"objective": "dclw", "objective.sgma": 0.1}, "did you mean 'sigma'"),
    ],
)
def test_mistakes_in_training_are_named(small_graph: Data, asked: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        wb.fit("grace", small_graph, "defaults", progress=False, **asked)


def test_a_training_without_any_negative_is_refused(small_graph: Data) -> None:
    alone = Data(x=small_graph.x, edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=60)
    for sampler in ("hop-near", "degree-weighted"):
        with pytest.raises(UserError, match="finds no negative"):
            wb.fit("grace", alone, "defaults", negatives=sampler, epochs=1, progress=False)
    with pytest.raises(UserError, match="stop_within knows the floor"):
        wb.fit("e2neg", small_graph, "defaults", negatives="uniform", stop_within=0.1, progress=False)


def test_a_sampler_from_a_notebook_trains_and_its_code_is_in_the_key(small_graph: Data) -> None:
    def register(rank: int) -> None:
        code = (
            "from workbench.contrast.negatives.selection import SAMPLERS, shared\n"
            "import numpy as np\n"
            "@SAMPLERS.register('cell')\n"
            "def cell(context, k, randomness):\n"
            f"    return shared(context, np.arange({rank}, {rank} + k), 'by number')\n"
        )
        name = f"/nowhere/cell-{rank}.py"
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        exec(compile(code, name, "exec"), {"__name__": "__main__"})

    keys = []
    try:
        for rank in (0, 7):
            register(rank)
            run = wb.fit("grace", small_graph, "defaults", negatives="cell", k=3, epochs=1, dim=8, progress=False)
            keys.append(run.path.name)
            assert run.contrast.candidates.tolist() == [rank, rank + 1, rank + 2]
            del SAMPLERS._entries["cell"]
            _version.cache_clear()
    finally:
        SAMPLERS._entries.pop("cell", None)
    assert keys[0] != keys[1]


def test_no_option_of_a_sampler_is_hidden_by_a_parameter() -> None:
    for method in methods.names():
        if not issubclass(methods.get(method).Config, methods.base.ContrastConfig):
            continue
        taken = {field.name for field in dataclasses.fields(methods.get(method).Config)}
        for sampler in NAMES:
            clash = taken & set(options_of(SAMPLERS, sampler))
            assert not clash or (method, sampler) == ("e2neg", "e2neg"), (method, sampler, clash)


def test_every_sampler_trains_on_cora_without_a_table_of_all_pairs(real_graph: Callable[[str], Data]) -> None:
    graph = real_graph("cora")
    for sampler in NAMES:
        run = wb.fit("grace", graph, "quick", epochs=1, negatives=sampler, k=16, progress=False)
        assert np.isfinite(run.history["loss"].iloc[-1])
        shape = () if run.contrast.candidates is None else tuple(run.contrast.candidates.shape)
        assert shape in ((), (16,), (2708, 16)) or len(shape) == 1, (sampler, shape)
