"""Each scheme adapts both encoders, is stored as what is new, and comes back to the same bits."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import workbench as wb
from workbench.adaptation.expert_counts import Shape, quantised_bytes, sparse_bytes
from workbench.errors import UserError

DIM, BLOCKS = 8, 2  # of the preset "small"
UNIT = Shape(DIM, 4 * DIM)
E = UNIT.entries
PLAIN = ("full", "averaged experts", "moving average", "dropout")
SCHEMES: dict[str, dict[str, Any]] = {
    "full": {"plan": "full"},
    "vanilla": {"plan": "experts"},
    "sparse": {"plan": "experts", "plan.mode": "sparse"},
    "low-rank": {"plan": "experts", "plan.mode": "low-rank", "plan.rank": 1},
    "dropped": {"plan": "experts", "plan.compress": "sparse", "plan.p": 0.5},
    "dropped from the pretrained": {"plan": "experts", "plan.compress": "sparse", "plan.base": "pretrained"},
    "quantised": {"plan": "experts", "plan.compress": "quantised", "plan.bits": "2", "plan.base": "pretrained"},
    "averaged experts": {"plan": "averaged-experts"},
    "moving average": {"plan": "moving-average"},
    "dropout": {"plan": "dropout", "plan.rate": 0.5},
    "adapters": {"plan": "adapter-library", "plan.rank": 2},
    "separate adapters": {"plan": "adapter-library", "plan.library": "separate", "plan.routing": "random"},
}


SMALL = {
    "epochs": 2, "lr": 0.01, "labels": 5, "dim": DIM, "encoder.blocks": BLOCKS, "encoder.heads": 2, "encoder.patch": 1,
}  # fmt: skip


def fitted(data: Any, plan: dict[str, Any], **more: Any) -> wb.Run:
    return wb.fit("adapt", data, "defaults", progress=False, **{**SMALL, **plan, **more})


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., wb.Run]:
    """Adapt by a scheme, once for all tests."""
    store = tmp_path_factory.mktemp("runs")
    return lambda data, scheme: fitted(data, SCHEMES[scheme], store=store)


@pytest.mark.parametrize("kind", ["arrays", "nodes"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_adapts_both_encoders_and_its_run_comes_back(
    scheme: str, kind: str, small_data: Callable[..., Any], kept: Callable[..., wb.Run]
) -> None:
    data = small_data("adapt", kind)
    run = kept(data, scheme)
    stored = wb.runs.load(run.path)
    torch.testing.assert_close(stored.encode(data), run.embeddings, rtol=0, atol=1e-6)
    assert torch.equal(stored.details["predicted"], run.details["predicted"])
    assert wb.adaptation.receipt(stored).plain == (scheme in PLAIN)


def test_receipts_are_the_formulas(small_data: Callable[..., Any], kept: Callable[..., wb.Run]) -> None:
    data = small_data("adapt", "arrays")
    receipts = {scheme: wb.adaptation.receipt(kept(data, scheme)) for scheme in SCHEMES}
    full = receipts["full"]
    for scheme in ("vanilla", "sparse", "low-rank"):
        assert receipts[scheme].trained - full.trained == UNIT.added(scheme)  # type: ignore[arg-type]
    for scheme in PLAIN:
        assert (receipts[scheme].stored_bytes, receipts[scheme].flops) == (full.stored_bytes, full.flops)
    rest = full.stored_bytes - 4 * E  # of all but the matrices of the unit that became experts
    places = sparse_bytes(UNIT.kept, UNIT.experts, E)
    assert receipts["sparse"].stored_bytes == rest + 4 * (UNIT.overhead + E) + places
    assert receipts["low-rank"].stored_bytes == full.stored_bytes + 4 * UNIT.added("low-rank")
    assert receipts["quantised"].stored_bytes == rest + 4 * UNIT.overhead + quantised_bytes(UNIT.experts, E, 2)
    assert receipts["vanilla"].flops > full.flops, "a token goes to two experts"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"plan": "experts", "plan.top": 5}, "plan.top is 5; it must be 1 to 4"),
        ({"plan": "experts", "plan.blocks": "3"}, "plan.blocks is '3'; an encoder of 2 blocks has none of these"),
        ({"plan": "averaged-experts", "plan.b": 1.5}, "plan.b is 1.5; it must be 0 to 1"),
        ({"plan": "experts", "plan.bits": "3"}, "unknown value of option 'bits' '3'"),
    ],
)
def test_an_option_outside_its_limits_is_named(
    settings: dict[str, Any], told: str, small_data: Callable[..., Any]
) -> None:
    with pytest.raises(UserError, match=told):
        fitted(small_data("adapt", "arrays"), settings)
