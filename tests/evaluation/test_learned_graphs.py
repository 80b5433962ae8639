"""A learned graph beside those that it was made of: what the graphs are, and the network that is trained along each."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize
from torch_geometric.data import HeteroData

import workbench as wb
from workbench.datasets.kinds import kind_of
from workbench.datasets.metapaths import as_multiplex, relations
from workbench.datasets.synthetic.embedded import library
from workbench.errors import UserError
from workbench.evaluation import graphs_compared, learned_graphs
from workbench.evaluation.splits import Split


@pytest.fixture
def books() -> HeteroData:
    data = as_multiplex(library(books=90, authors=40, shelves=9))
    part = torch.arange(90)[:, None] % 3
    for name, number in (("train_mask", 0), ("val_mask", 1), ("test_mask", 2)):
        data["book"][name] = (part == number).expand(90, 3)
    return data


def smooth(table: torch.Tensor) -> torch.Tensor:
    degree = table.sum(1)
    return table / (degree[:, None] * degree).sqrt().clamp(min=1e-10)


def test_the_graphs_are_those_of_dense_tables(books: HeteroData, tmp_path: Path) -> None:
    run = wb.fit("infomgf", books, "small", store=tmp_path, progress=False, columns=0)
    inputs = kind_of(books).inputs(books)
    found = learned_graphs.graphs_of(run.encoder, inputs)
    assert [*found] == ["learned", "bab", "bsb", *(getattr(learned_graphs, name) for name in
                        ("UNION", "OF_ATTRIBUTES", "OF_PROPAGATED"))]  # fmt: skip
    counts = relations(library(books=90, authors=40, shelves=9))
    linked = {name: torch.from_numpy(a.toarray() > 0).float().fill_diagonal_(1) for name, a in counts.items()}
    for name, table in linked.items():
        torch.testing.assert_close(found[name].to_dense(), smooth(table))
    torch.testing.assert_close(found[learned_graphs.UNION].to_dense(), smooth(torch.maximum(*linked.values())))
    x = normalize(inputs["book"].x)
    near = torch.zeros(90, 90).scatter(1, (x @ x.T).topk(run.config.k + 1).indices, 1.0)
    alike = ((near + near.T) / 2 * (x @ x.T)).clamp(min=0)
    torch.testing.assert_close(found[learned_graphs.OF_ATTRIBUTES].to_dense(), smooth(alike))
    # The learned graph is what the stored encoder makes, and without training that of propagated attributes.
    encoder = run.encoder.eval()
    graph = encoder.graph_of(encoder.fused(encoder.relations(inputs)))
    torch.testing.assert_close(found["learned"].to_dense(), graph.pattern.matrix(graph.values).detach().to_dense())
    fresh = wb.fit("infomgf", books, "small", store=tmp_path, progress=False, columns=0, epochs=0)
    before = learned_graphs.graphs_of(fresh.encoder, inputs)
    torch.testing.assert_close(before["learned"].to_dense(), before[learned_graphs.OF_PROPAGATED].to_dense())
    assert not torch.allclose(found["learned"].to_dense(), before["learned"].to_dense())


def test_the_network_is_two_convolutions_stopped_by_the_validation_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned_graphs, "DROPOUT", 0.0)
    g = torch.Generator().manual_seed(0)
    table = torch.rand(40, 40, generator=g)
    matrix, x, y = smooth(table + table.T), torch.randn(40, 6, generator=g), torch.arange(40) % 3
    split = Split(*(np.arange(start, 40, 3) for start in (0, 1, 2)))
    draw = torch.Generator().manual_seed(5)
    found = learned_graphs.along(matrix.to_sparse_csr(), x, y, split, 3, 30, torch.Generator().manual_seed(5))
    first, second = (
        torch.nn.init.xavier_uniform_(torch.empty(shape), generator=draw).requires_grad_()
        for shape in ((6, 64), (64, 3))
    )
    one, two = torch.zeros(64, requires_grad=True), torch.zeros(3, requires_grad=True)
    optimiser, looks = torch.optim.Adam([first, second, one, two], lr=1e-3), []

    def logits() -> torch.Tensor:
        return matrix @ ((matrix @ x @ first + one).relu() @ second) + two

    for step in range(1, 31):
        optimiser.zero_grad()
        cross_entropy(logits()[split.train], y[split.train]).backward()
        optimiser.step()
        if step % 10 == 0:
            right = (logits().argmax(1) == y).float()
            looks.append((float(right[split.validation].mean()), float(right[split.test].mean())))
    assert found["micro_f1"] == pytest.approx(100 * max(looks, key=lambda pair: pair[0])[1])


def test_graphs_are_scored_by_several_networks_and_mistakes_are_told(books: HeteroData, tmp_path: Path) -> None:
    run = wb.fit("infomgf", books, "small", store=tmp_path, progress=False)
    table = graphs_compared(run, books, trainings=2, steps=20)
    assert table.groupby("graph", sort=False)["training"].apply(list).tolist() == [[0, 1]] * 6
    again = graphs_compared(run, books, trainings=2, steps=20)
    assert table.equals(again) and table[["macro_f1", "micro_f1"]].ge(0).all(axis=None)
    other = library(books=90, authors=40, shelves=9)
    heco = wb.fit("heco", other, "small", store=tmp_path, progress=False, epochs=1)
    for call, told in (
        (lambda: graphs_compared(heco, other), "this run of heco learned no graph; infomgf learns one"),
        (lambda: graphs_compared(run, books, "random-10-90"), "'random-10-90' has no validation part"),
        (lambda: graphs_compared(run, books, steps=9), "at least 1 training and 10 steps are needed, not 5 and 9"),
        (lambda: graphs_compared(run, other), "was trained on"),
    ):
        with pytest.raises(UserError, match=told):
            call()
