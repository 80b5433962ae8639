"""HeCo, MEOW and AdaMEOW: the facts that pin them to their papers, each vectorised part against a loop."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn.functional import elu, leaky_relu, normalize
from torch_geometric.data import HeteroData

import workbench as wb
from workbench.contrast.pairs import Contrast
from workbench.contrast.weights import ByCluster, Learned
from workbench.datasets.kinds import kind_of
from workbench.datasets.metapaths import path_sim, relations
from workbench.datasets.synthetic.embedded import library
from workbench.encoders.typed import TypedGraph, symmetric
from workbench.errors import UserError
from workbench.methods import configure, get
from workbench.objectives.clusters import density
from workbench.objectives.infonce import dcl, infonce
from workbench.randomness import Randomness
from workbench.views.edges import sample_neighbours

G = torch.Generator().manual_seed(0)


@pytest.fixture
def books() -> HeteroData:
    return library(books=90, authors=40, shelves=9)


def made(method: str, data: HeteroData, **parameters: Any) -> tuple[Any, HeteroData]:
    inputs = kind_of(data).inputs(data)
    torch.manual_seed(0)
    return get(method)(configure(method, "small", "", parameters)[1], inputs, Randomness(0)).eval(), inputs


def dense(data: HeteroData, path: str) -> Tensor:
    return torch.from_numpy(relations(data, path)[path].toarray())


def views(rows: int) -> tuple[Tensor, Tensor]:
    u, v = (torch.randn(rows, 6, generator=G, dtype=torch.float64).requires_grad_() for _ in range(2))
    return u, v


# weights of pairs


@pytest.mark.parametrize("budget", [1e-3, 64.0])
@pytest.mark.parametrize("kind", ["clusters", "learned", "unit mean"])
def test_weights_made_by_blocks_give_the_loss_of_a_table_of_all_pairs(kind: str, budget: float) -> None:
    u, v = views(30)
    labels = torch.randint(4, (30, 2), generator=G)
    parts = [torch.randn(*shape, generator=G, dtype=torch.float64) for shape in ((30, 5), (30, 5), (6,))]
    learned = [part.requires_grad_() for part in parts]
    weights: Any = ByCluster(labels) if kind == "clusters" else Learned(*learned, kind == "unit mean")
    table = torch.zeros(30, 30, dtype=torch.float64)
    for i in range(30):
        for j in range(30):
            if kind == "clusters":
                table[i, j] = 2 - sum(int(labels[i, c] == labels[j, c]) for c in range(2))
            else:
                table[i, j] = torch.sigmoid(torch.tanh(parts[0][i] + parts[1][j]) @ parts[2][:-1] + parts[2][-1])
    if kind == "unit mean":
        table = table / table.mean(1, keepdim=True)
    s = normalize(u, dim=1) @ normalize(v, dim=1).T / 0.4
    wanted = (table * s.exp()).sum(1).log() - s.diagonal()
    contrast = Contrast(0.4, paired=False, made=weights)
    found = infonce(contrast, u, v, budget)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    parameters = [u, v, *(learned if kind != "clusters" else [])]
    for fast, slow in zip(*(torch.autograd.grad(x.sum(), parameters) for x in (found, wanted)), strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(contrast.of_anchor(3, 30)[1].double(), table[3].detach(), rtol=1e-5, atol=1e-6)


def test_one_cluster_has_no_negatives_and_clusters_of_one_are_decoupled() -> None:
    u, v = views(12)
    alone = infonce(Contrast(0.5, paired=False, made=ByCluster(torch.zeros(12, 2, dtype=torch.long))), u, v)
    assert alone.abs().max() == 0 and torch.autograd.grad(alone.sum(), u)[0].abs().max() == 0
    each = infonce(Contrast(0.5, paired=False, made=ByCluster(torch.arange(12)[:, None].repeat(1, 2))), u, v)
    plain = dcl(Contrast(0.5, paired=False), u, v)
    torch.testing.assert_close(each, plain + math.log(2))


def test_blocks_are_for_all_candidates_of_rows_that_are_not_paired() -> None:
    with pytest.raises(UserError, match=r"made by blocks are defined for all candidates"):
        Contrast(0.5, made=ByCluster(torch.zeros(3, 1)))


def test_weights_that_all_shrink_lower_the_loss_unless_each_anchor_has_a_mean_of_1() -> None:
    u, v = views(20)
    parts = [torch.randn(*shape, generator=G, dtype=torch.float64) for shape in ((20, 4), (20, 4), (5,))]

    def loss(shift: float, unit_mean: bool) -> float:
        readout = torch.cat([parts[2][:-1], parts[2][-1:] + shift])
        weights = Learned(parts[0], parts[1], readout, unit_mean)
        return infonce(Contrast(1.0, paired=False, made=weights), u, v).mean().item()

    assert loss(-40, False) == pytest.approx(loss(-20, False) - 20, abs=1e-5), "ln c, without end"
    assert loss(-40, True) == pytest.approx(loss(-20, True), abs=1e-5)
    assert loss(-40, True) > math.log(20) - 2, "never below the least that cosines can give"


# HeCo


def test_the_loss_of_heco_has_the_values_of_its_closed_forms() -> None:
    u, v = views(40)
    own = torch.arange(40).repeat(2, 1)
    ones, plain = torch.ones(40, dtype=torch.float64), Contrast(0.8, same_view=False)
    one = infonce(Contrast(0.8, positives=(own, ones), same_view=False), u, v)
    torch.testing.assert_close(one, infonce(plain, u, v))
    all_pairs = torch.cartesian_prod(torch.arange(40), torch.arange(40)).T
    every = Contrast(0.8, positives=(all_pairs, torch.ones(1600, dtype=torch.float64)), same_view=False)
    nothing = infonce(every, u, v)
    assert nothing.abs().max() < 1e-12 and torch.autograd.grad(nothing.sum(), u)[0].abs().max() < 1e-12
    five = torch.stack([own[0].repeat_interleave(5), (torch.arange(200) * 7) % 40])
    collapsed = torch.ones(40, 6, dtype=torch.float64)
    found = infonce(
        Contrast(0.8, positives=(five, torch.ones(200, dtype=torch.float64)), same_view=False), *[collapsed] * 2
    )
    torch.testing.assert_close(found, torch.full_like(found, math.log(40 / 5)))


def test_a_step_of_heco_is_that_of_loops(books: HeteroData) -> None:
    method, inputs = made("heco", books, dropout=0.0, attention_dropout=0.0)
    step = method.step(inputs)
    u, v = (normalize(each, dim=1) for each in step.kept["projections"])
    index, mass = method.contrast.positives
    p = torch.zeros(90, 90).index_put(tuple(index), mass)
    assert p.sum() > 90 and p.sum(1).min() >= 1 and p.sum(1).max() <= 5
    e = (u @ v.T / method.config.tau).exp()
    wanted = -((p * e).sum(1) / e.sum(1)).log().mean() / 2 - ((p * e.T).sum(1) / e.T.sum(1)).log().mean() / 2
    torch.testing.assert_close(step.terms["contrast"], wanted)


def test_the_path_view_is_that_of_dense_matrices_and_cliques_go_by_thin_factors(books: HeteroData) -> None:
    method, inputs = made("heco", books)
    encoder, graph = method.encoder, TypedGraph.of(inputs)
    h = elu(books["book"].x @ encoder.codes.weights["book"] + encoder.codes.biases["book"])
    found = []
    for number, path in enumerate(("bab", "bsb")):
        a = (dense(books, path) > 0).float()
        smooth = a / (a.sum(0)[:, None] * a.sum(0)).sqrt()
        found.append(encoder.slopes[number](smooth @ encoder.mixes[number](h) + encoder.biases[number]))
    scores = [torch.tanh(encoder.attention.linear(code)).mean(0) @ encoder.attention.vector[0] for code in found]
    weights = torch.stack(scores).softmax(0)
    wanted = weights[0] * found[0] + weights[1] * found[1]
    torch.testing.assert_close(encoder.embed(inputs), wanted, rtol=1e-4, atol=1e-5)
    assert [len(graph.smoother(path).factors) for path in ("bab", "bsb")] == [1, 2], "a shelf is a clique"


def test_the_schema_view_is_that_of_a_loop(books: HeteroData) -> None:
    method, _ = made("heco", books)
    graph, schema = method.graph, method.schema
    h = torch.randn(90, 8, generator=G)
    sampled = [(torch.randint(size, (90, 3), generator=G), torch.arange(90) > 4) for size in (40, 9)]
    rows = []
    for vector, kind, (chosen, _) in zip(schema.vectors, schema.types, sampled, strict=True):
        codes = elu(schema.codes.weights[kind] + schema.codes.biases[kind])
        out = []
        for i in range(90):
            around = codes[chosen[i]]
            scores = torch.stack([leaky_relu(vector[0] @ torch.cat([h[i], other])) for other in around])
            out.append(elu((scores.softmax(0)[:, None] * around).sum(0)) * (i > 4))
        rows.append(torch.stack(out))
    torch.testing.assert_close(schema(graph, h, sampled), schema.attention(rows), rtol=1e-4, atol=1e-6)


def test_neighbours_are_drawn_without_repeats_where_there_are_enough() -> None:
    pointer, columns = torch.tensor([0, 5, 5, 7]), torch.tensor([3, 4, 5, 6, 7, 8, 9])
    drawn = torch.stack([sample_neighbours(pointer, columns, 3, G)[0] for _ in range(400)])
    there = sample_neighbours(pointer, columns, 3, G)[1]
    assert there.tolist() == [True, False, True]
    assert all(len(set(row)) == 3 for row in drawn[:, 0].tolist()) and set(drawn[:, 2].flatten().tolist()) == {8, 9}
    share = drawn[:, 0].flatten().bincount(minlength=8)[3:] / 400
    assert (share - 3 / 5).abs().max() < 0.1
    none = sample_neighbours(torch.zeros(4, dtype=torch.long), columns[:0], 2, G)
    assert not none[1].any() and none[0].shape == (3, 2)


def test_the_controls_of_the_positives(books: HeteroData) -> None:
    chosen = {}
    for name, more in {"released": {}, "own": {"own": True}, "shuffled": {"chosen_by": "shuffled"}}.items():
        chosen[name] = made("heco", books, positives=1, **more)[0].contrast.positives[0]
    own = [(pairs[0] == pairs[1]).sum().item() for pairs in chosen.values()]
    assert own[0] < 90 and own[1] == 90
    counts = [pairs[0].bincount(minlength=90) for pairs in chosen.values()]
    assert torch.equal(counts[0], counts[2]) and not torch.equal(chosen["released"], chosen["shuffled"])


# MEOW


def test_the_fine_view_is_that_of_dense_matrices_and_means_of_what_lies_between(books: HeteroData) -> None:
    method, _ = made("meow", books, dropout=0.0)
    encoder = method.encoder
    h = elu(books["book"].x @ encoder.codes.weights["book"] + encoder.codes.biases["book"])
    found = encoder.views(method.graph)
    hidden = elu(found.masked @ encoder.codes.weights["book"] + encoder.codes.biases["book"])
    assert 0.15 < (found.masked[books["book"].x > 0] == 0).float().mean() < 0.45
    codes, smooths = [], []
    for number, (path, kind) in enumerate((("bab", "author"), ("bsb", "shelf"))):
        others = elu(encoder.codes.weights[kind] + encoder.codes.biases[kind])
        near, where = dense(books, path), torch.zeros(90, kind_sizes(books)[kind])
        where[tuple(books["book", "by" if kind == "author" else "on", kind].edge_index)] = 1
        around = encoder.mixes[number][0](where @ others / where.sum(1, keepdim=True))
        smooths.append(to_dense(found.fine[number]))
        assert (smooths[-1] > 0).sum(1).max() == 5 and bool((near[smooths[-1] > 0] > 0).all())
        codes += [
            encoder.layers(elu(h + around), found.fine[number]),
            encoder.layers(elu(hidden + around), found.twin[number]),
        ]
        assert to_dense(found.twin[number]).diagonal().min() > 0
    coarse, fine = encoder(method.graph)
    torch.testing.assert_close(to_dense(found.coarse), (smooths[0] + smooths[1]) / 2)
    mixed = h @ encoder.layers.first.weight.T
    first = encoder.layers.slope((smooths[0] + smooths[1]) / 2 @ mixed)
    second = (smooths[0] + smooths[1]) / 2 @ (first @ encoder.layers.second.weight.T)
    torch.testing.assert_close(
        coarse, (second - second.mean()) / second.var(correction=0).add(1e-5).sqrt(), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(
        fine, encoder.attention([normalize(code, dim=1) for code in codes]), rtol=1e-4, atol=1e-5
    )


def kind_sizes(data: HeteroData) -> dict[str, int]:
    return {kind: int(data[kind].num_nodes) for kind in data.node_types}


def to_dense(smooth: Any) -> Tensor:
    return smooth(torch.eye(90))


def test_neighbours_are_the_most_similar_and_ties_are_told(books: HeteroData) -> None:
    method, _ = made("meow", books)
    counts = relations(books, "bab")["bab"]
    similar = path_sim(counts).toarray()
    chosen = to_dense(method.encoder.views(method.graph).fine[0]).numpy() > 0
    for row, picked in zip(similar, chosen, strict=True):
        assert row[picked].min() >= np.sort(row)[-5]
    assert method.details()["tied rows"].tolist()[1] == 90, "a shelf joins two books once, so that all are alike"
    last = made("meow", books, ties="last")[0]
    near = to_dense(last.encoder.views(last.graph).fine[1]) > 0
    shelf = (relations(books, "bsb")["bsb"][0].indices)[-5:]
    assert near[0].nonzero().flatten().tolist() == sorted(shelf.tolist())


def test_a_tight_cluster_is_colder_and_by_the_release_warmer() -> None:
    centres = normalize(torch.eye(3, 6), dim=1)
    spread = torch.tensor([0.05, 0.4, 1.2]).repeat_interleave(30)[:, None]
    labels = torch.arange(3).repeat_interleave(30)
    rows = normalize(centres[labels] + spread * torch.randn(90, 6, generator=G) / 6, dim=1)
    fixed, released = (density(rows, centres, labels, 0.4, reverse) for reverse in (False, True))
    assert fixed.argsort().tolist() == [0, 1, 2] and released.argsort().tolist() == [2, 1, 0]
    for phi in (fixed, released):
        assert phi.mean().item() == pytest.approx(0.4, rel=1e-5)


def test_the_weights_of_meow_are_those_of_its_clusters(books: HeteroData) -> None:
    method, inputs = made("meow", books)
    method.before_epoch(0, method.optimiser())
    contrast = method.step(inputs).kept["contrast"]
    labels = method.member
    wanted = 2 - sum((labels[:, None, c] == labels[None, :, c]).float() for c in range(2))
    torch.testing.assert_close(contrast.made.tile(0, 90), wanted)
    assert wanted.diagonal().max() == 0 and len(labels[:, 1].unique()) > len(labels[:, 0].unique()) > 1
    control, inputs = made("meow", books, weights="random")
    control.before_epoch(0, control.optimiser())
    shuffled = control.step(inputs).kept["contrast"].made.labels
    assert torch.equal(shuffled[:, 0].bincount(), control.member[:, 0].bincount())
    assert not torch.equal(shuffled, control.member)


def test_prototypes_draw_as_the_sum_over_clusters_does_and_as_released_but_for_a_constant(books: HeteroData) -> None:
    method, _ = made("meow", books, clusters="3, 6")
    coarse, fine = (normalize(torch.randn(90, 8, generator=G), dim=1) for _ in range(2))
    method.before_epoch(0, method.optimiser())
    method.cluster(fine)
    coarse.requires_grad_()
    slow, released = [], []
    for centres, labels in zip(method.centres.split([3, 6]), method.member.T, strict=True):
        unit = normalize(centres.clone(), dim=1)
        phi = density(fine, unit, labels, method.config.tau)
        for i in range(90):
            k = int(labels[i])
            others = torch.stack([(coarse[i] @ unit[j] / phi[j]).exp() for j in range(len(unit))])
            own = coarse[i] @ unit[k] / phi[k]
            slow.append((others.sum().log() - own) / 90 / 2)
            released.append(((others.mean() * 90).log() - own) / 90 / 2)
    found = method.drawn(coarse, fine)
    torch.testing.assert_close(found, sum(slow))
    apart = (math.log(90 / 3) + math.log(90 / 6)) / 2
    torch.testing.assert_close(sum(released) - found, torch.tensor(apart))
    fast, theirs = (torch.autograd.grad(loss, coarse)[0] for loss in (found, sum(released)))
    torch.testing.assert_close(fast, theirs, rtol=1e-4, atol=1e-6)


def test_clusters_that_point_away_from_their_centres_have_a_temperature() -> None:
    centres = normalize(torch.eye(3, 6), dim=1)
    labels = torch.arange(3).repeat_interleave(5)
    for reverse in (False, True):  # the release takes the root of the negative inner product, which is nan
        phi = density(-centres[labels], centres, labels, 0.4, reverse)
        assert phi.isfinite().all() and (phi > 0).all() and phi.mean().item() == pytest.approx(0.4)


# odd data


def odd(case: str) -> HeteroData:
    data = library(books=90, authors=40, shelves=9)
    if case == "an empty relation":
        data["book", "by", "author"].edge_index = torch.empty(2, 0, dtype=torch.long)
    if case == "no attributes":
        del data["book"].x
        data["book"].num_nodes = 90
    if case == "attributes of others":
        data["author"].x = torch.rand(40, 7)
    if case == "disconnected":
        for relation in data.edge_types:
            edges = data[relation].edge_index
            data[relation].edge_index = edges[:, edges[0] > 20]
    if case == "one target":
        data = HeteroData()
        data["book"].x, data["author"].num_nodes, data["shelf"].num_nodes = torch.ones(1, 4), 1, 1
        for kind in ("author", "shelf"):
            data["book", "of", kind].edge_index = torch.zeros(2, 1, dtype=torch.long)
    if case == "no relation":
        for relation in data.edge_types:
            data[relation].edge_index = torch.empty(2, 0, dtype=torch.long)
    if case == "NaN":
        data["book"].x[3, 2] = torch.nan
    return data


REFUSED = {
    ("meow", "one target"): "6 clusters were asked for; 1 targets give 1 to 1",
    ("heco", "no relation"): "no edge leads from the targets 'book' to another type",
    **{(method, "NaN"): "attributes .x. of 'book' hold NaN" for method in ("heco", "meow", "adameow")},
}
CASES = (
    "an empty relation",
    "no attributes",
    "attributes of others",
    "disconnected",
    "one target",
    "no relation",
    "NaN",
)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", ["heco", "meow", "adameow"])
def test_an_odd_typed_graph_is_embedded_or_refused_in_a_sentence(method: str, case: str, tmp_path: Path) -> None:
    def train() -> wb.Run:
        return wb.fit(method, odd(case), "small", store=tmp_path, epochs=1, progress=False)

    if told := REFUSED.get((method, case)):
        with pytest.raises(UserError, match=told):
            train()
        return
    run = train()
    assert run.embeddings.isfinite().all() and run.history.notna().all().all()


@pytest.mark.parametrize(
    ("method", "changed", "sentence"),
    [
        ("heco", {"paths": "bab, bxb"}, "meta-path 'bxb'"),
        ("meow", {"nearest": "5, 5, 5"}, "nearest is '5, 5, 5'; it must be one number, or 2 separated by commas"),
        ("meow", {"clusters": "200"}, "200 clusters were asked for; 90 targets give 1 to 90"),
        ("adameow", {"edge_mask": "1"}, "edge_mask must be below 1"),
    ],
)
def test_mistakes_are_named(
    method: str, changed: dict[str, Any], sentence: str, books: HeteroData, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=sentence):
        wb.fit(method, books, "small", store=tmp_path, progress=False, **changed)


def test_the_negatives_of_a_target_are_told_with_their_weights_and_what_joins_them(
    books: HeteroData, tmp_path: Path
) -> None:
    run = wb.fit("meow", books, "small", store=tmp_path, progress=False)
    table = wb.evaluation.weighed_negatives(wb.training.store.load(run.path), books, 7).set_index("node")
    assert len(table) == 89 and 7 not in table.index and table["share"].sum() == pytest.approx(1)
    labels, (u, v) = run.contrast.made.labels, [normalize(z, dim=1) for z in run.projections]
    push = torch.stack([(2 - (labels[7] == labels[j]).sum()) * (u[7] @ v[j] / run.config.tau).exp() for j in range(90)])
    near = relations(books, "bsb")["bsb"][7].indices
    for node in (0, 3, 11, int(near[near != 7][0])):
        assert table.loc[node, "share"] == pytest.approx(float(push[node] / push.sum()), rel=1e-4, abs=1e-9)
        assert ("bsb" in table.loc[node, "joined by"]) == (node in near)
    with pytest.raises(UserError, match="contrasts no targets with all others"):
        wb.evaluation.weighed_negatives(run.embeddings, books, 7)


def test_training_ends_where_the_loss_has_not_fallen_for_long(books: HeteroData, tmp_path: Path) -> None:
    run = wb.fit("heco", books, "small", store=tmp_path, progress=False, epochs=200, patience=2, lr=1e-9)
    assert len(run.history) < 60 and run.complete


def test_symmetric_leaves_rows_without_entries_empty() -> None:
    a = sp.csr_matrix(np.array([[0, 2, 0], [2, 0, 0], [0, 0, 0]], float))
    np.testing.assert_allclose(symmetric(a).toarray(), [[0, 1, 0], [1, 0, 0], [0, 0, 0]])


def test_the_published_presets_fit_their_data(real_graph: Callable[[str], Any]) -> None:
    for name in ("dblp-typed", "aminer-typed"):
        shape = kind_of(data := real_graph(name)).shape(kind_of(data).inputs(data))
        for method in ("heco", "meow", "adameow"):
            if f"released/{name}" in wb.methods.preset_names(method):
                with torch.device("meta"):
                    get(method).make_encoder(configure(method, "released", name, {})[1], shape)
