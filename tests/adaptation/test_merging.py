"""Merging and soups: what one-hot gates, equal members and means give, how layers are chosen, and from the store."""

import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import workbench as wb
from workbench.adaptation.merged import Merged
from workbench.adaptation.merging import Gate, Mixed, mean, merge, owners
from workbench.adaptation.similarity import chosen, similarities
from workbench.adaptation.soup import greedy
from workbench.datasets.arrays import Rows
from workbench.encoders.graph_transformer import GraphTransformer
from workbench.encoders.vit import ViT
from workbench.errors import Notice, UserError
from workbench.training.members import numbered

IMAGES = torch.rand(7, 6, 6, generator=torch.Generator().manual_seed(1))


def started(kind: str) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        images = {"height": 6, "width": 6}
        made = ViT(images, 8, 2, 2) if kind == "arrays" else GraphTransformer({"features": 40}, 8, 2, 2)
        return made.eval().requires_grad_(False)


def specialist(kind: str, seed: int) -> Any:
    """Return an encoder whose weights all differ a little from the start's."""
    made, source = started(kind), torch.Generator().manual_seed(seed)
    for weights in made.parameters():
        weights += 0.3 * torch.randn(weights.shape, generator=source)
    return made


def merged(kind: str, members: Sequence[Any], bias: Sequence[float], means: Sequence[str] = ()) -> Any:
    """Return members merged by a gate that has the same probabilities for all inputs, or others by their codes."""
    encoder = started(kind)
    gate = Gate(deepcopy(encoder), len(members), False)
    nn.init.zeros_(gate.layer.weight)
    gate.layer.bias.copy_(torch.tensor(bias))
    merge(encoder, [member.state_dict() for member in members], gate, means)
    return encoder


@pytest.fixture
def inputs(small_graph: Any) -> dict[str, Any]:
    return {"arrays": Rows(x=IMAGES), "nodes": small_graph}


KINDS = pytest.mark.parametrize("kind", ["arrays", "nodes"])


@KINDS
def test_a_gate_of_zeros_and_ones_reproduces_a_member(kind: str, inputs: dict[str, Any]) -> None:
    members = [specialist(kind, 1), specialist(kind, 2), specialist(kind, 3)]
    for number, member in enumerate(members):
        bias = [1e4 * (other == number) for other in range(3)]
        made = merged(kind, members, bias).embed(inputs[kind])
        torch.testing.assert_close(made, member.embed(inputs[kind]), rtol=0, atol=1e-6)
    assert not any(torch.allclose(made, member.embed(inputs[kind]), atol=1e-2) for member in members[:2])


@KINDS
def test_equal_members_give_that_member_whatever_the_gate_says(kind: str, inputs: dict[str, Any]) -> None:
    member = specialist(kind, 1)
    encoder = merged(kind, [member, member], [0.3, 1.0])
    assert not any(isinstance(module, Mixed) for module in encoder.modules()), "what is equal is stored once"
    for name, layer in owners(started(kind)).items():
        parent, _, last = name.rpartition(".")
        layer.load_state_dict(member.get_submodule(name).state_dict())
        setattr(encoder.get_submodule(parent), last, Mixed([layer, deepcopy(layer)], encoder.gate))
    torch.testing.assert_close(encoder.embed(inputs[kind]), member.embed(inputs[kind]), rtol=0, atol=1e-5)


def test_mixing_a_batch_is_a_loop_over_images_each_with_weights_of_its_own() -> None:
    members = [specialist("arrays", 1), specialist("arrays", 2)]
    encoder = merged("arrays", members, [0.0, 0.0])
    encoder.gate.layer.weight.normal_(std=3, generator=torch.Generator().manual_seed(5))
    given = encoder(IMAGES)
    shares = encoder.gate.p
    assert float(shares.std()) > 0.1
    states = [member.state_dict() for member in members]
    for image, p, code in zip(IMAGES, shares, given, strict=True):
        alone = started("arrays")
        alone.load_state_dict({name: p[0] * states[0][name] + p[1] * states[1][name] for name in states[0]})
        torch.testing.assert_close(alone(image[None])[0], code, rtol=1e-4, atol=1e-5)


@KINDS
def test_with_every_layer_a_mean_it_is_the_uniform_soup_and_that_is_pytorchs(kind: str, inputs: dict[str, Any]) -> None:
    members = [specialist(kind, 1), specialist(kind, 2), specialist(kind, 3)]
    average = AveragedModel(members[0])
    for member in members:
        average.update_parameters(member)
    for name, value in mean([member.state_dict() for member in members]).items():
        torch.testing.assert_close(value, average.module.state_dict()[name])
    encoder = merged(kind, members, [0.0, 1.0, 2.0], [*owners(started(kind))])
    torch.testing.assert_close(encoder.embed(inputs[kind]), average.module.embed(inputs[kind]), rtol=1e-4, atol=1e-5)


@KINDS
def test_each_weight_belongs_to_one_layer(kind: str) -> None:
    encoder = started(kind)
    layers = owners(encoder)
    numbers = [id(weights) for layer in layers.values() for weights in layer.parameters()]
    assert sorted(numbers) == sorted(map(id, encoder.parameters()))


def test_similarity_is_the_cosine_of_changes_and_means_are_taken_in_order() -> None:
    start = {"a.w": torch.tensor([5.0, 5.0]), "b.w": torch.tensor([5.0, 5.0]), "c.w": torch.ones(4)}
    first = {"a.w": torch.tensor([6.0, 5.0]), "b.w": torch.tensor([6.0, 5.0]), "c.w": torch.ones(4)}
    second = {"a.w": torch.tensor([7.0, 5.0]), "b.w": torch.tensor([5.0, 6.0]), "c.w": torch.ones(4)}
    third = {"a.w": torch.tensor([4.0, 5.0]), "b.w": torch.tensor([5.0, 5.0]), "c.w": torch.ones(4)}
    assert similarities(start, [first, second], "abc") == {"a": 1, "b": 0, "c": 1}
    assert similarities(start, [first, second, third], "a")["a"] == pytest.approx(-1 / 3)
    assert [chosen("cab", start, share) for share in (0, 0.49, 0.5, 0.75, 1)] == [
        [], [], ["c"], ["c", "a"], ["c", "a", "b"],
    ]  # fmt: skip


def test_a_greedy_soup_is_never_below_the_best_member() -> None:
    alone = {0: 0.5, 1: 0.8, 2: 0.7, 3: 0.6}
    together = {(1, 2): 0.75, (1, 3): 0.8, (1, 3, 0): 0.9}
    asked = list[tuple[int, ...]]()

    def score(numbers: Sequence[int]) -> float:
        asked.append(tuple(numbers))
        return alone[numbers[0]] if len(numbers) == 1 else together[tuple(numbers)]

    assert greedy(4, score) == ([1, 3, 0], [0.5, 0.8, 0.7, 0.6])
    assert asked[4:] == [(1, 2), (1, 3), (1, 3, 0)]


def test_classes_are_matched_by_their_names() -> None:
    assert numbered(["5", "6"], [str(i) for i in range(10)], 2).tolist() == [5, 6]
    assert numbered(["x", "b"], ["a", "b"], 2).tolist() == [2, 1] and numbered(None, ["a"], 2).tolist() == [0, 1]


SETTINGS = {"dim": 8, "encoder.blocks": 2, "encoder.heads": 2, "encoder.patch": 1}


@pytest.fixture
def rows(small_data: Callable[..., Any]) -> Any:
    return small_data("adapt", "arrays")


def base(rows: Any, seed: int = 0) -> str:
    run = wb.fit("classifier", rows, "defaults", seed, progress=False, epochs=2, **SETTINGS)
    return run.path.name


def adapted(rows: Any, base: str, seed: int, **more: Any) -> wb.Run:
    settings = {"epochs": 8, "lr": 0.01, "holdout": True, "labels": 8, **more}
    return wb.fit("adapt", rows, "defaults", seed, base=base, progress=False, **settings)


def joined(rows: Any, plan: str, members: Sequence[Any], **more: Any) -> wb.Run:
    words = ",".join(getattr(member, "path", member).name for member in members)
    return wb.fit(
        "adapt", rows, "defaults", progress=False, labels=8, plan=plan, **{"plan.members": words, "epochs": 1, **more}
    )


def test_stored_adaptations_become_a_soup_and_a_merger_that_come_back(rows: Any) -> None:
    start = base(rows)
    members = [adapted(rows, start, seed) for seed in (0, 1)]
    soup = joined(rows, "soup", members)
    states = [member.encoder.state_dict() for member in members]
    torch.testing.assert_close(soup.encoder.state_dict(), mean(states))
    chosen_ = joined(rows, "soup", members, **{"plan.how": "greedy"})
    labels = rows.y[chosen_.details["labelled"] & ~members[0].details["labelled"]]
    told = chosen_.details["predicted"][chosen_.details["labelled"] & ~members[0].details["labelled"]]
    assert float((told == labels).double().mean()) >= float(chosen_.details["alone"].max())
    assert wb.adaptation.receipt(soup).plain and wb.adaptation.receipt(soup).trained == 0
    both = joined(rows, "merged", members)
    again = wb.runs.load(both.path)
    torch.testing.assert_close(again.encode(rows), both.embeddings, rtol=0, atol=1e-6)
    torch.testing.assert_close(both.details["gate"].sum(1), torch.ones(60))
    halves = joined(rows, "merged", members, **{"plan.share": 0.5, "plan.order": "random"})
    assert wb.adaptation.receipt(halves).stored_bytes < 0.8 * wb.adaptation.receipt(both).stored_bytes
    assert int(halves.details["mean"].sum()) > int(both.details["mean"].sum()) == 0
    hard = joined(rows, "merged", members, **{"plan.gate": "hard"})
    number = hard.details["gate"].argmax(1)
    by_member = torch.stack([member.embeddings for member in members])[number, torch.arange(60)]
    torch.testing.assert_close(hard.embeddings, by_member, rtol=0, atol=1e-5)
    by_member = torch.stack([member.details["predicted"] for member in members])[number, torch.arange(60)]
    assert torch.equal(hard.details["predicted"], by_member)


def test_members_that_do_not_fit_together_are_named(rows: Any, tmp_path: Path) -> None:
    first, second = base(rows), base(rows, 1)
    members = [adapted(rows, first, 0), adapted(rows, second, 0)]
    experts = adapted(rows, first, 0, plan="experts")
    unfit = [
        (members, "only encoders that began with the same weights can be averaged"),
        (members[:1], "takes two members or more"),
        ([members[0], experts], "members have the form of their base"),
        ([members[0], Path(first)], "is a run of classifier; members are adaptations of a stored base"),
    ]
    for named, told in unfit:
        with pytest.raises(UserError, match=told):
            joined(rows, "soup", named)
    with pytest.raises(UserError, match="here are none"):
        joined(rows, "soup", [members[0], adapted(rows, first, 1)], **{"plan.how": "greedy", "holdout": True})


def test_a_gate_that_selects_is_told() -> None:
    plan, members = Merged(), [specialist("arrays", 1), specialist("arrays", 2)]
    plan.similarity, plan.means = {"a": 0.5, "b": 0.1}, ["b"]
    with pytest.warns(Notice, match="selection, not merging: .* a mean entropy of 0.001 nat"):
        told = plan.details(merged("arrays", members, [9.0, 0.0]), Rows(x=IMAGES))
    assert told["mean"].tolist() == [False, True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan.details(merged("arrays", members, [1.0, 0.0]), Rows(x=IMAGES))


def test_a_gate_needs_the_data_of_its_members(rows: Any) -> None:
    start = base(rows)
    other = rows.clone()
    other.x, other.name = 1 - rows.x, "inverted"
    members = [adapted(rows, start, 0), adapted(other, start, 0)]
    with pytest.raises(UserError, match="was trained on 'inverted', which can't be loaded again"):
        joined(rows, "merged", members)
