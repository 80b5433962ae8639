"""SepCLR: the background's salient factors are null, and what it needs."""

import dataclasses

import pytest
import torch
from conftest import small_rows

import workbench as wb
from workbench.datasets.arrays import Rows
from workbench.errors import UserError
from workbench.methods.arrays.sepclr import SepCLR, SepCLRConfig
from workbench.randomness import Randomness


def lengths(null: float) -> torch.Tensor:
    """Train on 80 rows, every second one with something of its own in two columns; return salient lengths [2, 40]."""
    g = torch.Generator().manual_seed(0)
    x, target = torch.randn(80, 8, generator=g), torch.arange(80) % 2 == 1
    x[:, 6:] = 4 * torch.randn(80, 2, generator=g).sign() * target[:, None]
    config = SepCLRConfig(channels=4, dim=4, batch_size=0, lr=0.03, hide=0.0, null=null)
    torch.manual_seed(0)
    method = SepCLR(config, Rows(x=x, target=target), Randomness(0))
    optimiser = method.optimiser()
    for _ in range(60):
        method.update(method.step(method.inputs), optimiser)
    with torch.no_grad():
        salient = method.embed(method.inputs)[:, 4:].norm(dim=1)
    return torch.stack([salient[~target], salient[target]])


def test_salient_factors_of_the_background_are_below_5_percent_of_the_others() -> None:
    background, target = lengths(null=1000.0).mean(1)
    assert background < 0.05 * target
    background, target = lengths(null=0.0).mean(1)
    assert background > 0.2 * target


def test_a_step_is_the_sum_of_its_terms_and_a_batch_may_lack_a_population() -> None:
    data = small_rows()
    config = SepCLRConfig(channels=2, dim=3, batch_size=0)
    method = SepCLR(config, Rows(x=data.x, target=data.target), Randomness(0))
    step = method.step(method.inputs)
    terms = {name: float(term.detach()) for name, term in step.terms.items()}
    total = terms["common"] + 1000 * (terms["salient"] + terms["null"]) + 10 * terms["entropy"]
    assert float(step.total.detach()) == pytest.approx(total, rel=1e-4)
    for kept in (data.target, ~data.target):
        ids = kept.nonzero()[:5, 0]
        part = method.step(Rows(x=data.x[ids], n_id=ids, batch_size=5))
        assert part.total.isfinite()
        assert bool(part.terms["null"] == 0) == bool(kept[1])  # no row of the background


def test_the_terms_of_a_step_are_loops_with_the_background_at_the_null_vector() -> None:
    data, still = small_rows(), {"shift": 0, "hide": 0.0, "scale": 0.0, "noise": 0.0}
    torch.manual_seed(0)
    config = SepCLRConfig(channels=2, dim=3, batch_size=0, bandwidth=0.7, **still)  # type: ignore[arg-type]
    method = SepCLR(config, Rows(x=data.x, target=data.target), Randomness(0))
    terms = method.step(method.inputs).terms
    codes = method.embed(method.inputs)
    assert isinstance(codes, torch.Tensor)
    common, salient = torch.nn.functional.normalize(codes[:, :3].double()), codes[:, 3:].double()
    target = data.target

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (-(a - b).square().sum() / 1.4).exp()

    null = [s if y else 0 * s for s, y in zip(salient, target, strict=True)]
    pairs = [(i, j) for i in range(60) for j in range(60) if i != j]
    wanted = {  # both views are the same, so that nothing is to be aligned
        "common": 2 * torch.stack([kernel(common[i], common[j]) for i, j in pairs]).mean().log(),
        "salient": 2 * torch.stack([kernel(null[i], null[j]) for i, j in pairs]).mean().log(),
        "null": salient[~target].square().sum(1).mean() / 1.4,
    }
    inside = target.nonzero().flatten().tolist()
    rows = [[kernel(common[i], common[j]) * kernel(salient[i], salient[j]) for j in inside] for i in inside]
    wanted["entropy"] = torch.stack([torch.stack(row).mean().log() for row in rows]).mean()
    for name, value in wanted.items():
        torch.testing.assert_close(terms[name].detach().double(), value.detach(), rtol=1e-4, atol=1e-5)


def test_data_without_two_populations_are_refused_in_a_sentence() -> None:
    data = small_rows()
    for target in (None, torch.ones(60, dtype=torch.bool), torch.zeros(60, dtype=torch.bool)):
        with pytest.raises(UserError, match="learns from two populations: target of the array must be true for some"):
            wb.fit("sepclr", Rows(x=data.x, target=target), "small", progress=False)
    with pytest.raises(UserError, match="true or false"):
        wb.fit("sepclr", Rows(x=data.x, target=data.y), "small", progress=False)
    with pytest.raises(UserError, match=r"of 60 rows has shape \[59\]"):
        wb.fit("sepclr", Rows(x=data.x, target=data.target[:59]), "small", progress=False)
    with pytest.raises(UserError, match="bandwidth"):
        dataclasses.replace(SepCLRConfig(), bandwidth=0.0)
