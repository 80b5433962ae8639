"""Typed graphs: meta-paths, their counts and positives against loops over the definition, and HeCo's probe."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import f1_score, roc_auc_score
from torch_geometric.data import HeteroData

import workbench as wb
from workbench.datasets.kinds import kind_of
from workbench.datasets.metapaths import (
    as_multiplex,
    chosen_paths,
    half,
    largest,
    meta_paths,
    path_counts,
    path_sim,
    positives,
    relations,
)
from workbench.errors import UserError
from workbench.evaluation import restarts
from workbench.evaluation.baselines import BASELINES, propagated_path


@pytest.fixture
def typed() -> HeteroData:
    """4 authors (the targets), 5 papers, 2 conferences; author 3 wrote nothing, one link is told twice."""
    data = HeteroData()
    data["paper"].num_nodes, data["conference"].num_nodes = 5, 2
    data["author"].x, data["author"].y = torch.eye(4), torch.tensor([0, 1, 1, 0])
    data["paper", "by", "author"].edge_index = torch.tensor([[0, 0, 1, 2, 3, 3], [0, 1, 1, 1, 2, 2]])
    data["conference", "has", "paper"].edge_index = torch.tensor([[0, 0, 0, 1, 1], [0, 1, 3, 2, 4]])
    return data


def test_meta_paths_are_found_and_counted_as_a_loop_over_their_instances_does(typed: HeteroData) -> None:
    assert [path.name for path in meta_paths(typed)] == ["apa", "apcpa"]
    wrote = [{0}, {0, 1, 2}, {3}, set()]
    at = {0: 0, 1: 0, 3: 0, 2: 1, 4: 1}
    for name, joined in (("apa", lambda a, b: a == b), ("apcpa", lambda a, b: at[a] == at[b])):
        counts = relations(typed, name)[name].toarray()
        for i, j in product(range(4), repeat=2):
            assert counts[i, j] == sum(joined(a, b) for a, b in product(wrote[i], wrote[j]))
    assert half(typed, chosen_paths(typed, "apcpa")[0]).toarray().tolist() == [[1, 0], [2, 1], [1, 0], [0, 0]]
    made = as_multiplex(typed)
    assert kind_of(made).name == "multiplex" and made["author", "apa", "author"].num_edges == 5
    with pytest.raises(UserError, match=r"meta-path 'apaa'.*did you mean 'apa'"):
        chosen_paths(typed, "apaa")


def test_the_targets_come_first_in_the_inputs_and_types_of_one_initial_are_spelt_out(typed: HeteroData) -> None:
    assert kind_of(typed).inputs(typed).node_types == ["author", "paper", "conference"]
    typed["reader"].num_nodes = typed["publisher"].num_nodes = 1
    assert [path.name for path in meta_paths(typed)] == ["author-paper-author", "author-paper-conference-paper-author"]


def test_path_sim_says_nothing_where_counts_are_0_and_1() -> None:
    counts = sp.csr_matrix(np.array([[2, 1, 0], [1, 4, 2], [0, 2, 2]], np.float32))
    np.testing.assert_allclose(path_sim(counts).toarray(), [[1, 1 / 3, 0], [1 / 3, 1, 2 / 3], [0, 2 / 3, 1]], rtol=1e-6)
    assert set(path_sim(counts.sign()).data) == {1.0}
    _, columns, tied = largest(path_sim(counts.sign()), 1, np.array([2, 1, 0]))
    assert columns.tolist() == [1, 2, 2] and tied.all()
    assert not largest(path_sim(counts), 1)[2].any()


def test_positives_are_those_of_a_loop_and_itself_only_if_it_is_among_them() -> None:
    a = sp.csr_matrix(np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1]], np.float32))
    b = sp.csr_matrix(np.array([[0, 3, 1], [3, 0, 0], [1, 0, 0]], np.float32))
    last_first = np.array([2, 1, 0])
    assert positives([a, b], 1, last_first).toarray().tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 0]]
    assert positives([a, b], 1, last_first, own=True).diagonal().tolist() == [1, 1, 1]
    assert positives([a, b], 1, last_first, by_path=False).toarray()[0].tolist() == [0, 1, 0]
    alone = sp.csr_matrix((3, 3), dtype=np.float32)
    assert positives([alone], 2, last_first).toarray().tolist() == np.eye(3).tolist()


def test_the_published_files_are_what_is_computed(real_graph: Callable[[str], Any]) -> None:
    data = real_graph("acm-typed")
    paths = relations(data)
    assert {name: counts.nnz for name, counts in paths.items()} == {"pap": 57_853, "psp": 4_338_213}
    assert paths["pap"].max() == 21 and paths["psp"].max() == 1
    cliques = np.bincount(connected_components(paths["psp"])[1])
    assert len(cliques) == 60 and (cliques**2).sum() == paths["psp"].nnz, "each paper has one subject"
    assert {*path_sim(paths["psp"]).data} == {1.0}, "so that PathSim tells none of its neighbours apart"
    paths = relations(real_graph("dblp-typed"))
    wanted = {"apa": 11_113, "apcpa": 5_000_495, "aptpa": 7_043_571}  # of the last one no file is published
    assert {name: counts.nnz for name, counts in paths.items()} == wanted
    paths = relations(real_graph("aminer-typed"))
    assert {name: counts.nnz for name, counts in paths.items()} == {"pap": 21_976, "prp": 129_824}
    chosen = positives([*paths.values()], 15, np.random.default_rng(0).permutation(6564))
    assert chosen.nnz == 67_730, "as many as the file of positives has"


def test_a_path_is_propagated_as_by_dense_matrices(typed: HeteroData) -> None:
    a = (path_counts(typed, chosen_paths(typed, "apa")[0]).toarray() > 0).astype(float)
    np.fill_diagonal(a, 1)
    smooth = a / np.sqrt(np.outer(a.sum(0), a.sum(1)))
    np.testing.assert_allclose(propagated_path(typed, "apa"), smooth @ smooth, rtol=1e-6)


def test_the_probe_of_heco_has_scikit_learns_measures_at_the_steps_that_validation_picks() -> None:
    data = wb.load_graph("library")
    x, y = data["book"].x.numpy(), data["book"].y.numpy()
    split = wb.protocols.get("heco-20").splits(data, 1)[0]
    assert len(split.train) == 60 and not set(split.validation) & set(split.test)
    table = restarts.per_restart(x, data, split, 2, 8, 0, 0.05)
    torch.manual_seed(0)
    for row in table.itertuples():
        start = torch.empty(3, 48)
        generator = wb.randomness.Randomness(0).generator(f"restart {row.Index}")
        weight = torch.nn.init.xavier_uniform_(start, generator=generator).requires_grad_()
        bias = torch.zeros(3, requires_grad=True)
        optimiser = torch.optim.Adam([weight, bias], lr=0.05)
        best, seen = [-1.0, -1.0], [0.0, 0.0, 0.0]
        for _ in range(8):
            optimiser.zero_grad()
            logits = torch.from_numpy(x) @ weight.T + bias
            torch.nn.functional.cross_entropy(logits[split.train], torch.from_numpy(y[split.train])).backward()
            optimiser.step()
            said = (torch.from_numpy(x) @ weight.T + bias).detach()
            for place, average in enumerate(("macro", "micro")):
                scores = [
                    f1_score(y[part], said[part].argmax(1), average=average) for part in (split.validation, split.test)
                ]
                if scores[0] > best[place] + 1e-6:
                    best[place], seen[place] = scores
                    if place:
                        seen[2] = roc_auc_score(y[split.test], said[split.test].softmax(1), multi_class="ovr")
        np.testing.assert_allclose([row.macro_f1, row.micro_f1, row.auc], 100 * np.array(seen), atol=0.05)


def test_data_without_masks_are_told(typed: HeteroData) -> None:
    with pytest.raises(UserError, match=r"masks of 20, 40 and 60 labels per class.*no such train_mask"):
        wb.protocols.get("heco-20").splitter(typed, 0, np.random.default_rng(0))


def changed(data: HeteroData, case: str) -> HeteroData:
    if case == "NaN":
        data["author"].x[1, 1] = torch.nan
    if case == "one row short":
        data["author"].num_nodes = 4
        data["author"].x = data["author"].x[:3]
    if case == "an end too far":
        data["paper", "by", "author"].edge_index[1, 0] = 4
    if case == "no such paper":
        data["paper", "by", "author"].edge_index[0, 0] = 5
    return data


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("NaN", "of 'author' hold NaN"),
        ("one row short", r"of 'author' must be \[4, features\], not \[3, 4\]"),
        ("an end too far", "names node 4 of 'author', which has 4"),
        ("no such paper", r"joins \[5, 0\]"),
    ],
)
def test_what_is_wrong_with_a_typed_graph_is_named(typed: HeteroData, case: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        kind_of(typed).check(changed(typed, case))


def test_the_sparsest_path_is_the_one_with_the_fewest_links(typed: HeteroData) -> None:
    fewest = min(relations(typed).items(), key=lambda path: (path[1] > 0).sum())[0]
    others = [name for name in relations(typed) if name != fewest]
    found = BASELINES.get("sparsest-path").embed(typed)
    np.testing.assert_array_equal(found, propagated_path(typed, fewest))
    assert others and not np.array_equal(found, propagated_path(typed, others[0]))
