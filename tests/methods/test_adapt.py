"""Adaptations as runs: of a base, with labels that are few, scored by their own classifier, stored without the base."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch_geometric.data import Data

import workbench as wb
from workbench.cli import main
from workbench.datasets.arrays import Rows
from workbench.errors import UserError
from workbench.training import store as runs
from workbench.views.rows import placed

VIT = {"encoder.blocks": 2, "encoder.heads": 2, "encoder.patch": 1, "dim": 8}


@pytest.fixture
def base(small_data: Any, tmp_path: Path) -> wb.Run:
    return wb.fit("classifier", small_data("classifier"), "small", store=tmp_path, progress=False)


def adapt(data: Any, store: Path, **more: Any) -> wb.Run:
    options = {"labels": 5, "epochs": 3, "plan": "lora", "progress": False} | more
    return wb.fit("adapt", data, "defaults", store=store, **options)


def test_content_is_moved_to_every_place_where_nothing_is_cut() -> None:
    x = torch.zeros(400, 5, 6)
    x[:, 1:3, 2:5] = torch.rand(400, 2, 3) + 0.1
    moved = placed(x, torch.Generator().manual_seed(0))
    torch.testing.assert_close(1 - placed(1 - x, torch.Generator().manual_seed(0)), moved)  # dark on bright
    corners = {(int(image.any(1).int().argmax()), int(image.any(0).int().argmax())) for image in moved}
    assert corners == {(top, left) for top in range(4) for left in range(4)}
    for before, after in zip(x[:20], moved[:20], strict=True):
        top, left = int(after.any(1).int().argmax()), int(after.any(0).int().argmax())
        assert torch.equal(after[top : top + 2, left : left + 3], before[1:3, 2:5]) and (after > 0).sum() == 6
    edge = torch.ones(3, 5, 6)
    assert torch.equal(placed(edge, torch.Generator()), edge) and not placed(0 * edge, torch.Generator()).any()


def test_an_adaptation_begins_with_its_base_and_stores_what_is_new(
    base: wb.Run, small_data: Any, tmp_path: Path
) -> None:
    data = small_data("adapt")
    start = adapt(data, tmp_path, base=base.path.name, epochs=0)
    assert torch.equal(start.embeddings, base.embeddings), "nothing was trained, and the product of LoRA is 0"
    run = adapt(data, tmp_path, base="classifier/rows")
    assert run.config.base.startswith(f"{base.path.name}@") and str(run.config.encoder).startswith("vit(blocks=2")
    stored = load_file(run.path / "weights.safetensors")
    numbers = 2 * 4 * (8 + 24 + 8 + 8)
    assert sum(t.numel() for name, t in stored.items() if name.startswith("plan.")) == numbers
    assert {name.partition(".")[0] for name in stored} == {"plan", "head"}
    receipt = wb.adaptation.receipt(runs.load(run.path))
    assert (receipt.trained, receipt.head, receipt.input, receipt.stored_bytes) == (numbers, 27, 0, 4 * numbers)
    assert receipt.plain and receipt.flops > 0 and "bytes stored beside the base" in str(receipt)
    torch.testing.assert_close(runs.load(run.path).encode(data), run.embeddings, rtol=1e-5, atol=1e-6)
    again = wb.fit("adapt", data, "defaults", store=tmp_path, progress=False, **run.config.flat())
    assert again.path == run.path, "the base as a run names it is the same request"
    with pytest.warns(match="a ViT has no form in PyG's own layers, so the embeddings alone are written"):
        assert (tmp_path / "out" / "embeddings.csv") in run.export(tmp_path / "out")
    with pytest.raises(UserError, match="this run of classifier adapted no encoder"):
        wb.adaptation.receipt(base)


def test_a_base_that_is_missing_or_another_is_told(base: wb.Run, small_data: Any, tmp_path: Path) -> None:
    run = adapt(small_data("adapt"), tmp_path, base=base.path.name)
    other = wb.fit("classifier", small_data("classifier"), "small", seed=1, store=tmp_path / "b", progress=False)
    aside = tmp_path / "aside"
    base.path.rename(aside)
    with pytest.raises(UserError, match=f"holds only what is new beside its base, {base.path.name}, and .* has no run"):
        runs.load(run.path).encode(small_data("adapt"))
    assert runs.load(run.path).embeddings.shape == (60, 8), "what it embedded is there all the same"
    (aside / "weights.safetensors").write_bytes((other.path / "weights.safetensors").read_bytes())
    aside.rename(base.path)
    with pytest.raises(UserError, match=f"the base {base.path.name} is damaged: weights.safetensors was changed"):
        runs.load(run.path).encode(small_data("adapt"))
    shutil.rmtree(base.path)
    wb.fit("classifier", small_data("classifier"), "small", store=tmp_path, progress=False, fresh=True)
    name = run.config.base.partition("@")[0]
    with pytest.raises(UserError, match=rf"the base {name} in .* has other weights \(\w+\) than those .* \(0000\)"):
        adapt(small_data("adapt"), tmp_path, base=f"{name}@0000")


@pytest.mark.parametrize("plan", ["lora", "full"])
def test_an_adaptation_is_adapted_further(plan: str, base: wb.Run, small_data: Any, tmp_path: Path) -> None:
    data = small_data("adapt")
    first = adapt(data, tmp_path, base=base.path.name, plan=plan)
    start = adapt(data, tmp_path, base=first.path.name, plan="bitfit", epochs=0)
    torch.testing.assert_close(start.embeddings, first.embeddings, rtol=0, atol=0)
    second = adapt(data, tmp_path, base=first.path.name, plan="bitfit", draw=1)
    assert second.config.base.startswith(f"{first.path.name}@") and not torch.equal(second.embeddings, start.embeddings)
    torch.testing.assert_close(runs.load(second.path).encode(data), second.embeddings, rtol=1e-5, atol=1e-6)
    stored = load_file(second.path / "weights.safetensors")
    biases = sum(t.numel() for name, t in base.encoder.named_parameters() if name.endswith("bias"))
    assert sum(t.numel() for name, t in stored.items() if name.startswith("plan.")) <= biases
    soup = adapt(data, tmp_path, plan="soup", **{"plan.members": f"{second.path.name},{start.path.name}"})
    assert soup.config.base == second.config.base
    shutil.rmtree(base.path)
    with pytest.raises(
        UserError, match=f"what is new beside its base, {base.path.name}, and .* has no run of that name"
    ):
        runs.load(second.path).encode(data)


def test_an_adaptation_of_another_form_is_no_base(base: wb.Run, small_data: Any, tmp_path: Path) -> None:
    library = adapt(small_data("adapt"), tmp_path, base=base.path.name, plan="adapter-library")
    with pytest.raises(UserError, match="is an adaptation by adapter-library, whose encoder has a form of its own"):
        adapt(small_data("adapt"), tmp_path, base=library.path.name)


def test_its_own_classifier_is_scored_on_labels_that_it_did_not_see(
    base: wb.Run, small_data: Any, tmp_path: Path
) -> None:
    data = small_data("adapt")
    run = adapt(data, tmp_path, base=base.path.name, plan="full", epochs=30, lr=0.01, labels=8, holdout=True)
    assert int(run.details["labelled"].sum()) == 18 and int(run.details["held_out"].sum()) == 6
    seen = run.details["labelled"] | run.details["held_out"]
    right = (run.details["predicted"] == data.y).float()
    scores = wb.evaluate(run, data, "own-classifier", progress=False)
    assert scores.accuracy == pytest.approx(100 * float(right[~seen].mean())) and scores.per_split["test"].item() == 36
    assert "by labels of other items than are scored" in str(scores) and "FLAWED" not in str(scores)
    held = wb.evaluate(run, data, "own-classifier-held-out", progress=False)
    assert held.accuracy == pytest.approx(100 * float(right[run.details["held_out"]].mean()))
    assert scores.accuracy > 60, "a bright row or column is learned from six images of each class"
    assert wb.compare(run, data, "own-classifier", progress=False)["kind"].tolist() == ["trained"]
    with pytest.raises(UserError, match="scores labels that a fit with holdout=true kept back"):
        wb.evaluate(adapt(data, tmp_path, base=base.path.name), data, "own-classifier-held-out")
    with pytest.raises(UserError, match="scores the classifier that a method learned, and a bare matrix has none"):
        wb.evaluate(run.embeddings, data, "own-classifier")


def test_a_probe_is_a_logistic_regression_on_codes_that_stay(base: wb.Run, small_data: Any, tmp_path: Path) -> None:
    data = small_data("adapt")
    run = adapt(data, tmp_path, base=base.path.name, plan="probe")
    assert torch.equal(run.embeddings, base.embeddings) and wb.adaptation.receipt(run).trained == 0
    known = run.details["labelled"]
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    fitted.fit(base.embeddings[known].numpy(), data.y[known].numpy())
    assert run.details["predicted"].tolist() == fitted.predict(base.embeddings.numpy()).tolist()


def test_layers_are_chosen_by_how_far_a_full_training_turned_them(
    base: wb.Run, small_data: Any, tmp_path: Path
) -> None:
    data = small_data("adapt")
    whole = runs.load(adapt(data, tmp_path, base=base.path.name, plan="full").path)
    turned = wb.adaptation.turned(whole)
    assert [*turned] == ["0.attention", "0.feed_forward", "1.attention", "1.feed_forward"] and min(turned.values()) > 0
    layers = wb.adaptation.ranked(turned, "top", 1)
    some = wb.adaptation.turned(adapt(data, tmp_path, base=base.path.name, plan="partial", **{"plan.layers": layers}))
    assert [name for name, angle in some.items() if angle > 0] == sorted(layers.split(","))
    with pytest.raises(UserError, match="adapted no encoder, so it turned no layer"):
        wb.adaptation.turned(base)


def test_a_graph_is_adapted_to_another_with_a_new_input_layer(
    small_graph: Data, labelled: Data, tmp_path: Path
) -> None:
    pretrained = wb.fit(
        "grace", small_graph, "small", store=tmp_path, progress=False, encoder="graph-transformer", layers=2, dim=8
    )
    with pytest.raises(UserError, match="takes 40 features, and these data have 10 features; input='new' trains"):
        adapt(labelled, tmp_path, base=pretrained.path.name)
    run = adapt(labelled, tmp_path, base=pretrained.path.name, input="new", plan="bitfit")
    receipt, stored = wb.adaptation.receipt(run), load_file(run.path / "weights.safetensors")
    assert receipt.input == 10 * 8 + 8 and "encoder.input.weight" in stored and "plan.input.weight" not in stored
    assert receipt.trained == sum(t.numel() for name, t in stored.items() if name.startswith("plan."))
    torch.testing.assert_close(runs.load(run.path).encode(labelled), run.embeddings, rtol=1e-5, atol=1e-6)
    with pytest.raises(UserError, match="sees all nodes; batch_size must be 0"):
        wb.fit("grace", small_graph, "small", encoder="graph-transformer", batch_size=20)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"plan": "lorra"}, "unknown adaptation plan 'lorra'; did you mean 'lora'"),
        ({"plan": "lora", "plan.rank": 0}, "the rank of LoRA is 0; it must be at least 1"),
        ({"plan": "lora", "plan.rank": 9}, "the rank of LoRA is 9; it must be at most 8, the width of the encoder"),
        ({"labels": 15}, "15 labels of each class were asked for, and class . has 1"),
        ({"base": "grace/small"}, "the base grace_small_.* has no encoder made of blocks"),
        ({"base": "classifier/rows", "dim": 16}, "dim=16 was asked for, and the base classifier_rows_.* has 8"),
        ({"base": "classifier/rows", "encoder": "graph-transformer"}, "was asked for, and the base .* is vit"),
        ({"encoder": "graph-transformer"}, "the encoder of an adaptation reads one graph, and these data are none"),
        ({"encoder": "vit"}, "images of 6 x 5 pixels can't be cut into patches of 2 x 2"),
        ({"base": "nothing/here"}, "unknown run 'nothing/here'"),
    ],
)
def test_what_can_not_be_adapted_is_refused_in_a_sentence(
    more: dict, told: str, base: wb.Run, small_graph: Data, small_data: Any, tmp_path: Path
) -> None:
    if "grace" in str(more):
        wb.fit("grace", small_graph, "small", store=tmp_path, progress=False, epochs=0)
    shape = {} if "base" in more or "encoder" in more else VIT
    with pytest.raises(UserError, match=told):
        adapt(small_data("adapt"), tmp_path, **shape, **more)


def test_other_data_than_a_base_reads_are_refused(base: wb.Run, small_graph: Data, tmp_path: Path) -> None:
    small_graph.train_mask = None
    with pytest.raises(UserError, match="was trained on arrays; these data are nodes"):
        adapt(small_graph, tmp_path, base=base.path.name)
    taller = Rows(x=torch.rand(40, 7, 5), y=torch.arange(40) % 2)
    with pytest.raises(UserError, match="takes 30 features, 6 height, 5 width, and these data have 35 features"):
        adapt(taller, tmp_path, base=base.path.name)
    assert adapt(taller, tmp_path, base=base.path.name, input="new").embeddings.shape == (40, 8)
    with pytest.raises(UserError, match="the labels that it may see are of one class"):
        adapt(Rows(x=torch.rand(20, 6, 5), y=torch.zeros(20, dtype=torch.long)), tmp_path, base=base.path.name)
    with pytest.raises(UserError, match="the encoder 'graph-transformer' reads graphs"):
        wb.fit("classifier", taller, encoder="graph-transformer")


def test_a_command_prints_the_receipt(capsys: pytest.CaptureFixture[str]) -> None:
    fit = ["fit", "adapt", "digits-placed:classes=5-9", "-p", "epochs=1", "-p", "plan=lora", "-p", "plan.rank=2"]
    assert main([*fit, "-p", "encoder.blocks=1", "-p", "labels=2"]) == 0
    told = capsys.readouterr().out
    assert "receipt: lora(rank=2): 768 numbers trained beside 325 of the classifier; 3,072 bytes stored" in told
    assert "supervised by 10 labels" in told
