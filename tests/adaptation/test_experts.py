"""Experts: counts and bytes by formula, the dense unit at the start, compression after training, and EWA."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from workbench.adaptation import expert_counts
from workbench.adaptation.banks import Bank, LowRank, Sparse, Whole, flat
from workbench.adaptation.compression import Quantised, compress, compressed, packed, positions, unpacked
from workbench.adaptation.expert_counts import PAPER, Shape, break_even, quantised_bytes, sparse_bytes
from workbench.adaptation.mixtures import DealtExperts, Experts
from workbench.encoders.blocks import FeedForward

D, H, N = 64, 256, 4
E = 2 * D * H
MODES = ("vanilla", "sparse", "low-rank")


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unit(d: int = D, h: int = H) -> FeedForward:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FeedForward(d, h).double()


def bank(mode: str, p: float = 0.9, rank: int = 4) -> Bank:
    if mode == "vanilla":
        return Whole(unit(), N)
    if mode == "low-rank":
        return LowRank(unit(), N, rank, draw())
    return Sparse(unit(), N, positions(Shape(D, H, N, p=p).kept, N, E, draw()))


def experts(made: Bank, top: int = 2) -> Experts:
    return Experts(unit(), made, top, draw(2))


def numbers(module: nn.Module) -> int:
    return sum(weights.numel() for weights in module.parameters())


def trained() -> Whole:
    """Return experts that differ a little, as after training."""
    made, source = Whole(unit(), N), draw(1)
    with torch.no_grad():
        for weights in made.parameters():
            weights += 0.01 * torch.randn(weights.shape, generator=source, dtype=weights.dtype)
    return made


def bytes_of(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def test_the_three_totals_of_the_paper_and_its_ratios() -> None:
    totals = [f"{PAPER.added(mode) / 1e6:.3f}" for mode in MODES]
    assert totals == ["2517.361", "1.114", "2.417"]
    table = expert_counts.table(Shape(D, H))
    assert table["ratio"].round(1).tolist() == [1.0, 6.9, 26.4]
    assert table["ratio there"].round().tolist() == [1, 2260, 1042]  # published ones are of rounded totals


@pytest.mark.parametrize(
    ("mode", "p", "rank", "added"),
    [("vanilla", 0, 1, 99_520), ("low-rank", 0, 1, 3_776), ("low-rank", 0, 4, 11_456),
     ("sparse", 0.9, 1, 14_323), ("sparse", 0.99, 1, 2_527)],
)  # fmt: skip
def test_what_is_added_is_what_the_formula_says(mode: Any, p: float, rank: int, added: int) -> None:
    assert Shape(D, H, N, p=p, rank=rank).added(mode) == added
    assert numbers(experts(bank(mode, p, rank))) - numbers(unit()) == added


def test_break_even_in_numbers_and_in_bytes() -> None:
    assert break_even(4) == 0.25
    assert [break_even(4, *sizes) for sizes in [(4, 4), (2, 4), (4, 2)]] == [0.625, 0.75, 0.5]
    dense = (N - 1) * E * 4
    kept = [round(N * (1 - p) * E) for p in (0.49, 0.51)]
    assert kept[0] * 6 > dense > kept[1] * 6


@pytest.mark.parametrize("p", [0.2, 0.6, 0.9, 0.95, 0.99, 1.0])
def test_places_are_stored_in_the_shorter_form_and_its_bytes_are_the_formula(p: float) -> None:
    places = positions(Shape(D, H, N, p=p).kept, N, E, draw())
    stored = packed(places, N, E)
    assert ("mask" in stored) == (p < 15 / 16)
    assert torch.equal(unpacked(stored, N, E), places)
    assert len(places) * 4 + bytes_of(stored) == sparse_bytes(len(places), N, E)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("top", [1, 2, 4])
def test_at_the_start_experts_are_the_dense_unit_and_give_the_router_no_gradient(mode: str, top: int) -> None:
    tokens, made = torch.randn(3, 7, D, generator=draw(), dtype=torch.float64), experts(bank(mode), top)
    torch.testing.assert_close(made(tokens), unit()(tokens), rtol=0, atol=1e-12)
    made(tokens).square().sum().backward()
    assert float(made.router.grad.abs().max()) < 1e-10
    assert int(made.load.sum()) == 3 * 7 * top and float(made.balance.detach()) > 0


def test_experts_are_a_loop_over_tokens() -> None:
    made, tokens = experts(trained()), torch.randn(5, D, generator=draw(), dtype=torch.float64)
    up, down = made.bank.split(made.bank.flat())
    for token, given in zip(tokens, made(tokens), strict=True):
        x = made.norm(token)
        gates, chosen = (made.router @ x).softmax(0).topk(2)
        said = token.clone()
        for gate, i in zip(gates / gates.sum(), chosen.tolist(), strict=True):
            hidden = nn.functional.gelu(up[i] @ x + made.bank.up_bias[i])
            said += gate * (down[i] @ hidden + made.bank.down_bias[i])
        torch.testing.assert_close(given, said)


def test_places_never_change_and_only_numbers_at_them_do() -> None:
    made = experts(bank("sparse"))
    before, places = made.bank.flat().detach().clone(), made.bank.positions.clone()
    optimiser = torch.optim.Adam([made.bank.values], 0.01)
    made(torch.randn(50, D, generator=draw(), dtype=torch.float64)).square().sum().backward()
    optimiser.step()
    changed = (made.bank.flat() != before).flatten().nonzero()[:, 0]
    assert torch.equal(made.bank.positions, places) and set(changed.tolist()) <= set(places.tolist()) and len(changed)
    counts = torch.bincount(places.long() // E, minlength=N)
    assert int(counts.max() - counts.min()) <= 1 and len(places.unique()) == len(places)


def test_nothing_dropped_reproduces_the_experts_and_everything_leaves_the_base() -> None:
    made, base = trained(), unit()
    torch.testing.assert_close(compressed(made, base, "sparse", 0.0, 4, draw()).flat(), made.flat(), rtol=0, atol=1e-15)
    none = compressed(made, base, "sparse", 1.0, 4, draw())
    assert torch.equal(none.flat(), flat(base).expand(N, -1)) and torch.equal(none.up_bias[3], base.up.bias)
    tokens = torch.randn(9, D, generator=draw(), dtype=torch.float64)
    torch.testing.assert_close(experts(none)(tokens), base(tokens), rtol=0, atol=1e-12)


def test_over_masks_the_compressed_experts_are_the_experts() -> None:
    made, base, source = trained(), unit(), draw(3)
    masks = 60
    mean = sum(compressed(made, base, "sparse", 0.5, 4, source).flat() for _ in range(masks)) / masks
    difference = made.flat() - flat(base)
    slope = (mean - flat(base)).flatten() @ difference.flatten() / difference.square().sum()
    assert float(slope) == pytest.approx(1, abs=0.002)  # a deviation is 1 / sqrt(60 * 131,072) = 0.0004
    deviation = difference.abs() / masks**0.5  # of a mean of D (1 - M) / (1 - p) with p = 1/2
    assert float(((mean - made.flat()) / deviation).square().mean()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
def test_quantised_differences_are_within_half_a_step_and_take_so_many_bits(bits: int) -> None:
    made, base = trained(), unit()
    kept = compressed(made, base, "quantised", 0.5, bits, draw())
    assert isinstance(kept, Quantised)
    assert kept.codes.numel() * 1 + kept.steps.numel() * 4 == quantised_bytes(N, E, bits)
    halves = (made.flat() - flat(base)).unflatten(1, (2, -1))
    found = (kept.flat() - flat(base)).unflatten(1, (2, -1))
    assert len(found[0, 0].mul(1e6).round().unique()) <= max(2, 2**bits - 1)
    if bits == 1:
        torch.testing.assert_close(found, halves.sign() * halves.abs().mean(2, keepdim=True))
    else:
        step = halves.abs().amax(2, keepdim=True) / (2 ** (bits - 1) - 1)
        assert bool(((found - halves).abs() <= step / 2 + 1e-12).all())


def test_a_step_of_averaging_keeps_the_mean_and_shrinks_what_differs_from_it() -> None:
    for experts_, b, factor in [(4, 0.1, 1 - 0.1 * 4 / 3), (4, 0.75, 0.0), (2, 0.3, 0.4)]:
        made = DealtExperts(unit(), experts_)
        with torch.no_grad():
            made.bank.weight += torch.randn(made.bank.weight.shape, generator=draw(), dtype=torch.float64)
        before = made.bank.weight.detach().clone()
        others = (before.sum(0, keepdim=True) - before) / (experts_ - 1)
        made.average(b)
        torch.testing.assert_close(made.bank.weight.detach(), (1 - b) * before + b * others, rtol=0, atol=1e-12)
        mean = before.mean(0)
        torch.testing.assert_close(made.bank.weight.mean(0).detach(), mean, rtol=0, atol=1e-12)
        torch.testing.assert_close(made.bank.weight.detach() - mean, factor * (before - mean), rtol=0, atol=1e-12)
    assert round(1 - 0.1 * 4 / 3, 4) == 0.8667


def test_experts_that_collapse_after_each_step_are_dense_gradient_descent_at_a_rate_n_times_smaller() -> None:
    dense, dealt, rate = unit(), DealtExperts(unit(), N), 0.05
    dense.norm.requires_grad_(False)
    dealt.norm.requires_grad_(False)
    slow = torch.optim.SGD([weights for weights in dense.parameters() if weights.requires_grad], rate)
    fast = torch.optim.SGD(dealt.bank.parameters(), N * rate)
    source = draw()
    for _ in range(50):
        tokens = torch.randn(6, 10, D, generator=source, dtype=torch.float64)
        for module, optimiser in ((dense, slow), (dealt, fast)):
            optimiser.zero_grad()
            (module(tokens) - tokens.roll(1, 1)).square().mean().backward()
            optimiser.step()
        dealt.average((N - 1) / N)
    made = dealt.bank.mean(dealt.norm)
    assert float((flat(unit()) - flat(dense)).abs().max()) > 1e-3, "both have learned"
    torch.testing.assert_close(flat(made), flat(dense), rtol=0, atol=1e-12)
    torch.testing.assert_close(made.down.bias, dense.down.bias, rtol=0, atol=1e-12)


def test_a_partition_is_even_and_another_each_time_and_the_mean_sees_all_otherwise() -> None:
    made = DealtExperts(unit(), N)
    with torch.no_grad():
        made.bank.down_bias.zero_()
        made.bank.weight.zero_()
        made.bank.down_bias += torch.arange(N)[:, None]  # each expert adds its number
    tokens = torch.zeros(5, 4, D, dtype=torch.float64)
    first, second = (made(tokens)[..., 0].long() for _ in range(2))
    assert torch.bincount(first.flatten()).tolist() == [5] * N and not torch.equal(first, second)
    torch.testing.assert_close(made.eval()(tokens), torch.full_like(tokens, 1.5))
    torch.testing.assert_close(made.bank.mean(made.norm)(tokens), torch.full_like(tokens, 1.5))
    assert deepcopy(made.bank).mean(made.norm).state_dict().keys() == unit().state_dict().keys()


def test_the_experts_of_an_encoder_are_compressed_in_place() -> None:
    pretrained = nn.ModuleDict({"first": unit(), "second": unit()})
    encoder = nn.ModuleDict({"first": experts(trained()), "second": unit()})
    tokens = torch.randn(9, D, generator=draw(), dtype=torch.float64)
    compress(encoder, "sparse", 1.0, 4, draw(), pretrained)
    torch.testing.assert_close(encoder["first"](tokens), unit()(tokens), rtol=0, atol=1e-12)
    encoder = nn.ModuleDict({"first": experts(trained())})
    mean = trained().mean(unit().norm)
    compress(encoder, "sparse", 1.0, 4, draw())
    torch.testing.assert_close(encoder["first"](tokens), mean(tokens), rtol=0, atol=1e-12)
