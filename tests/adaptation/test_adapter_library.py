"""Adapter-X: the base at the start, counts, what permuting adapters changes, controls of the routing."""

from math import log

import pytest
import torch
from torch import nn

from workbench.adaptation.adapter_library import AdapterLibrary, added
from workbench.adaptation.adapters import BlockAdapter, Library
from workbench.adaptation.base import trained
from workbench.adaptation.blocks import entropy
from workbench.encoders.vit import ViT
from workbench.errors import Notice, UserError

SHAPE, DIM, BLOCKS = {"features": 64, "height": 8, "width": 8}, 16, 3
IMAGES = torch.rand(12, 8, 8, generator=torch.Generator().manual_seed(4))


def encoder() -> ViT:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ViT(SHAPE, DIM, blocks=BLOCKS, heads=2).eval().requires_grad_(False)


def with_adapters(**options: object) -> tuple[ViT, AdapterLibrary]:
    made, plan = encoder(), AdapterLibrary(**options)  # type: ignore[arg-type]
    plan.prepare(made, torch.Generator().manual_seed(1))
    return made, plan


def stirred(module: nn.Module) -> None:
    """Give what begins at 0 other numbers."""
    source = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weights in module.parameters():
            if weights.requires_grad:
                weights += 0.3 * torch.randn(weights.shape, generator=source)


OPTIONS = [
    {}, {"adapters": 1}, {"library": "separate"}, {"routing": "random"}, {"prompts": 0},
    {"library": "separate", "adapters": 1, "prompts": 0},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_at_the_start_it_is_the_base_and_the_count_is_the_formula(options: dict[str, object]) -> None:
    made, plan = with_adapters(**options)
    assert torch.equal(made(IMAGES), encoder()(IMAGES))
    facts = {"adapters": 4, "rank": 8, "prompts": 4} | {
        name: value for name, value in options.items() if name not in ("library", "routing")
    }
    separate, learned = options.get("library") == "separate", options.get("routing") != "random"
    assert trained(made) == added(BLOCKS, DIM, **facts, separate=separate, learned=learned)  # type: ignore[arg-type]
    stirred(made)
    assert not torch.allclose(made(IMAGES), encoder()(IMAGES), atol=1e-3)
    assert plan.details(made, None)["load"].sum(1).tolist() == [12 * 17] * BLOCKS


def test_a_shared_library_is_one_object_that_counts_once_however_many_blocks_use_it() -> None:
    made, _ = with_adapters()
    assert {id(block.adapter._library[0]) for block in made.blocks} == {id(made.library)}
    assert sum("library" in name for name in made.state_dict()) == 4
    separate, _ = with_adapters(library="separate")
    assert len({id(block.adapter._library[0]) for block in separate.blocks}) == BLOCKS


def test_permuting_adapters_together_with_the_routers_rows_changes_nothing() -> None:
    made, _ = with_adapters()
    stirred(made)
    before, order = made(IMAGES), torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        for weights in (*made.library.parameters(), *(block.adapter.router for block in made.blocks)):
            weights.copy_(weights[order].clone())
    torch.testing.assert_close(made(IMAGES), before)


def test_an_adapter_is_what_a_loop_over_tokens_says() -> None:
    source = torch.Generator().manual_seed(0)
    library = Library(3, DIM, 4, source)
    adapter = BlockAdapter(library, True, DIM, 2, True, source)
    stirred(adapter)
    tokens = torch.randn(2, 5, DIM, generator=source)
    for x, y in zip(tokens.flatten(0, 1), adapter(tokens).flatten(0, 1), strict=True):
        p = (adapter.router @ x).softmax(0)
        e = int(p.argmax())
        asked = x + (adapter.keys @ x / DIM**0.5).softmax(0) @ adapter.prompts
        hidden = nn.functional.gelu(library.down[e] @ adapter.norm(asked) + library.down_bias[e])
        torch.testing.assert_close(y, x + p[e] * (library.up[e] @ hidden + library.up_bias[e]))


def test_random_routing_goes_by_place_alone_and_is_even() -> None:
    made, _ = with_adapters(routing="random")
    routes = [made.blocks[0].adapter.routes(torch.rand(2, 4000, DIM, generator=torch.Generator()))[1] for _ in range(2)]
    assert torch.equal(routes[0], routes[1]) and torch.equal(routes[0][:4000], routes[0][4000:])
    assert torch.bincount(routes[0]).min() > 0.9 * 2000
    assert not torch.equal(routes[0], made.blocks[1].adapter.routes(torch.rand(2, 4000, DIM))[1])


def test_the_router_learns_by_the_probability_and_everything_is_in_the_gradient() -> None:
    made, plan = with_adapters()
    stirred(made)
    (made(IMAGES).square().sum() + plan.loss()).backward()
    missing = [name for name, weights in made.named_parameters() if weights.requires_grad and weights.grad is None]
    assert not missing and all(float(block.adapter.router.grad.abs().sum()) > 0 for block in made.blocks)


def test_a_library_of_which_little_is_used_is_told() -> None:
    assert entropy(torch.full((3, 4), 0.25)) == pytest.approx(log(4)) and entropy(torch.tensor([1.0, 0])) == 0
    made, plan = with_adapters()
    with torch.no_grad():
        for block in made.blocks:
            block.adapter.router.zero_()
    made(IMAGES)
    with pytest.warns(Notice, match="few of them are used"):
        plan.finish(made)


def test_it_is_stored_as_what_is_new_and_restored_to_the_same_bits() -> None:
    made, plan = with_adapters()
    stirred(made)
    stored = plan.new(made, encoder().state_dict())
    assert sum(tensor.numel() for tensor in stored.values()) == trained(made)
    again = encoder()
    AdapterLibrary().restore(again, stored)
    assert torch.equal(again(IMAGES), made(IMAGES))


@pytest.mark.parametrize(("option", "value"), [("adapters", 0), ("rank", 0), ("prompts", -1), ("balance", -0.1)])
def test_an_option_outside_its_limits_is_named(option: str, value: float) -> None:
    with pytest.raises(UserError, match=f"plan.{option} is {value}; it must be"):
        AdapterLibrary(**{option: value})  # type: ignore[arg-type]
