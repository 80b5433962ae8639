"""PiGCL: which negatives are left out, by how much the others are scaled, and that it is GRACE before."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.contrast import Contrast
from workbench.contrast.ratio import log_negatives
from workbench.errors import UserError
from workbench.methods.nodes import pigcl
from workbench.methods.nodes.grace import Grace, GraceConfig
from workbench.methods.nodes.pigcl import PiGCL, PiGCLConfig
from workbench.randomness import Randomness


def unit(seed: int, nodes: int = 60, dim: int = 8) -> torch.Tensor:
    return normalize(torch.rand(nodes, dim, generator=torch.Generator().manual_seed(seed)))


def model(graph: Data, compared: bool = True, **settings: object) -> PiGCL:
    settings = {"own_pairs": False, **settings}
    torch.manual_seed(0)  # an encoder of eight units may be dead, by the weights that tests before this one left to it
    tested = PiGCL(PiGCLConfig(dim=8, projection=8, **settings), graph, Randomness(0))  # type: ignore[arg-type]
    if compared:
        tested.new.copy_(unit(0))
        tested.compare(unit(1))
    return tested


def kept(tested: PiGCL) -> torch.Tensor:
    """Return M by its definition [nodes, nodes]."""
    change = tested.new @ tested.new.T - tested.old @ tested.old.T
    return (-change if tested.config.comparison == "paper" else change) >= tested.threshold


def test_before_a_comparison_and_with_no_pair_left_out_it_is_grace(small_graph: Data) -> None:
    for settings in ({"compared": False}, {"left_out": 0.0}):
        tested = model(small_graph, **settings)  # type: ignore[arg-type]
        plain = GraceConfig(dim=8, projection=8, edge_drop_1=0.4, feature_drop_1=0.2)
        grace = Grace(plain, small_graph, Randomness(0))
        grace.load_state_dict(tested.state_dict(), strict=False)
        found, expected = tested.step(small_graph), grace.step(small_graph)
        torch.testing.assert_close(found.total, expected.total)
        assert found.terms["toning"] == 0


@pytest.mark.parametrize("rate", [0.05, 0.5])
@pytest.mark.parametrize("comparison", ["code", "paper", "random"])
def test_the_wanted_share_is_left_out_of_which_each_rule_says_which(
    small_graph: Data, comparison: str, rate: float
) -> None:
    tested = model(small_graph, comparison=comparison, left_out=rate)
    away = ~torch.eye(60, dtype=torch.bool)
    mask = kept(tested)
    assert (~mask)[away].float().mean() == pytest.approx(rate, abs=2 / 60**2)
    change = unit(1) @ unit(1).T - unit(0) @ unit(0).T
    if comparison == "code":
        assert change[~mask & away].max() <= change[mask & away].min() + 1e-6
    elif comparison == "paper":
        assert change[~mask & away].min() >= change[mask & away].max() - 1e-6
    else:
        assert abs(float(change[~mask & away].mean() - change[mask & away].mean())) < 0.1 * float(change.std())


def test_of_many_pairs_the_quantile_is_that_of_a_sample(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pigcl, "PAIRS", 3000)
    tested = model(small_graph, left_out=0.3)
    assert (~kept(tested)).float().mean() == pytest.approx(0.3, abs=0.05)


def test_the_others_are_scaled_by_the_ratio_of_the_sums(small_graph: Data) -> None:
    away, cosine = ~torch.eye(60, dtype=torch.bool), unit(1) @ unit(1).T
    for comparison, shares in (("code", cosine), ("paper", (cosine / 0.4).exp()), ("random", cosine)):
        tested = model(small_graph, comparison=comparison)
        expected = shares[away].sum() / shares[away & kept(tested)].sum()
        torch.testing.assert_close(tested.alpha, expected, rtol=1e-3, atol=0)
    assert model(small_graph, toning=False).alpha == 1
    opposed = model(small_graph, compared=False, left_out=0.6)
    opposed.new[:, 0], sides = 1.0, torch.zeros(60, 8)
    sides[:, 0] = torch.tensor([1.0, -1.0]).repeat(30)
    opposed.compare(sides)  # all cosines together are negative, the kept ones positive
    assert opposed.threshold == 0 and opposed.alpha == 1


@pytest.mark.parametrize("own_pairs", [True, False])
@pytest.mark.parametrize("comparison", ["code", "paper", "random"])
def test_the_loss_is_that_of_a_table_of_all_pairs(small_graph: Data, comparison: str, own_pairs: bool) -> None:
    tested = model(small_graph, comparison=comparison, own_pairs=own_pairs)
    step = tested.step(small_graph)
    u, v = (normalize(z.detach()).double() for z in step.kept["projections"])
    mask, alpha = kept(tested).double(), float(tested.alpha)
    mask.fill_diagonal_(float(own_pairs and tested.threshold <= 0))
    losses = []
    for a, b in ((u, v), (v, u)):
        same, cross = (a @ a.T / 0.4).exp(), (a @ b.T / 0.4).exp()
        own = cross.diagonal()
        losses.append(-(own / (own + alpha * ((same + cross) * mask).sum(1))).log())
    toning = -(1 - 1 / alpha) * (u * v).sum(1).mean()
    assert float(step.terms["contrast"].detach()) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-4)
    assert float(step.terms["toning"].detach()) == pytest.approx(float(toning), rel=1e-4)
    assert "contrast" not in step.kept


@pytest.mark.parametrize("tau", [0.4, 0.03])  # the second is summed by rows
def test_blocks_and_listed_negatives_give_the_sums_of_all_pairs_at_once(small_graph: Data, tau: float) -> None:
    tested, u, v = model(small_graph), unit(2).requires_grad_(), unit(3).requires_grad_()
    contrast, pairs = tested.masked(Contrast(tau), None)
    listed, none = tested.masked(Contrast(tau, candidates=torch.arange(60)), None)
    assert none is None and listed.candidates.shape == (60, 60)
    whole, mask = log_negatives(contrast, u, v, kept=pairs), kept(tested).fill_diagonal_(False)
    dense = torch.cat([u @ u.T, u @ v.T], 1) / tau
    torch.testing.assert_close(whole[0], dense.masked_fill(~mask.repeat(1, 2), -math.inf).logsumexp(1))
    for other in (log_negatives(contrast, u, v, 0.05, kept=pairs), log_negatives(listed, u, v)):
        torch.testing.assert_close(other, whole)
        for mine, theirs in zip(
            *(torch.autograd.grad(sums.sum(), (u, v), retain_graph=True) for sums in (other, whole)), strict=True
        ):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_sampled_negatives_lose_those_that_are_left_out(small_graph: Data) -> None:
    for sampler in ("uniform", "uniform-each"):
        tested = model(small_graph, negatives=sampler, k=9)
        contrast = tested.step(small_graph).kept["contrast"]
        rows = torch.arange(60)[:, None].expand(60, 9)
        assert torch.equal(contrast.weights > 0, kept(tested)[rows, contrast.candidates])
        assert tested.step(small_graph).total.isfinite()


def test_comparisons_are_made_when_it_is_time(small_graph: Data) -> None:
    tested, compared = model(small_graph, compared=False, every=3), []
    optimiser = tested.optimiser()
    before = tested.threshold.clone()
    for epoch in range(8):
        tested.before_epoch(epoch, optimiser)
        if tested.threshold != before:
            compared.append(epoch)
            before = tested.threshold.clone()
        tested.update(tested.step(small_graph), optimiser)
    assert compared == [3, 6]


def test_a_batch_knows_its_nodes(small_graph: Data) -> None:
    tested = model(small_graph, batch_size=20)
    ids = torch.tensor([7, 3, 50])
    _, pairs = tested.masked(Contrast(0.4), ids)
    assert pairs is not None and torch.equal(pairs.tile(slice(0, 3)) > 0, kept(tested)[ids][:, ids])
    assert all(tested.step(batch).total.isfinite() for batch in tested.batches())


def test_one_node_and_other_objectives(small_graph: Data) -> None:
    alone = Data(x=small_graph.x[:1], edge_index=small_graph.edge_index[:, :0], num_nodes=1)
    tested = model(alone, compared=False, every=1)
    for epoch in range(3):
        tested.before_epoch(epoch, tested.optimiser())
    assert tested.threshold == -math.inf and tested.step(alone).total == 0
    with pytest.raises(UserError, match="its objective must be 'infonce'"):
        replace(tested.config, objective="dcl")
