"""The training panel: form, thread, pictures; driven as an object and in a real browser."""

import html
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import ipywidgets as ipw
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch
from browser import Screen, browser, lab, needs_chromium
from torch import Tensor, nn
from torch_geometric.data import Data

import workbench as wb
from workbench import methods, widgets
from workbench.config import options_of
from workbench.errors import UserError
from workbench.methods import METHODS, Config, Method, Step, base
from workbench.randomness import Randomness
from workbench.training import watch
from workbench.training.fit import Progress
from workbench.widgets import shell, thread
from workbench.widgets.form import checked, explained
from workbench.widgets.home import preamble
from workbench.widgets.looks import Looks
from workbench.widgets.thread import Training, under_way

SMALL = {"dim": 8, "projection": 8}


@pytest.fixture(autouse=True)
def nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    yield
    for one in under_way():
        one.end()
        one.join(60)
    assert not under_way()


def until(condition: Callable[[], object]) -> None:
    """Wait for another thread."""
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.005)


def panel_for(graph: Data | str, method: str = "grace", **more: Any) -> widgets.TrainingPanel:
    panel = widgets.training_panel(graph, method, "defaults", **({"every": 100} | SMALL | more))
    assert isinstance(panel, widgets.TrainingPanel)
    return panel


def trained(panel: widgets.TrainingPanel) -> widgets.TrainingPanel:
    panel.start()
    return ended(panel)


def ended(panel: widgets.TrainingPanel) -> widgets.TrainingPanel:
    panel.scene.join(60)
    assert not panel.scene.is_alive()
    return panel


def paused(panel: widgets.TrainingPanel) -> int:
    """Pause, and return the epoch of which the pictures are."""
    panel.pause()
    until(lambda: panel.scene.phase == "paused" and list(panel.figures["losses"].data[0].x)[-1:] == [panel.scene.epoch])
    return panel.scene.epoch


def told(figure: go.Figure) -> str:
    return f"{figure.layout.title.text} {figure.layout.title.subtitle.text}".replace("<br>", " ")


# ------------------------------------------------------------------------------------------------------- the form


@dataclass(frozen=True)
class OwnConfig(Config):
    """A method of one's own.

    Attributes:
        width: width of the embedding,
            in columns.
        rate, wish: two things at once.
    """

    main = ("epochs", "width", "rate")

    width: int = base.at_least(2, 4)
    rate: float = base.rate(0.25)
    wish: str = "none"
    mirrored: bool = False
    kind: Literal["one", "two"] = "two"
    words: tuple[str, ...] = ("first", "second, with a comma")
    table: tuple[tuple[str, Any], ...] = ()


class Own(Method):
    """A line that is drawn to the attributes' mean; `fails` may be set to an error that a step raises."""

    Config = OwnConfig
    fails: Exception | None = None

    def __init__(self, config: OwnConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.x, self.line = inputs.x, nn.Linear(inputs.x.shape[1], config.width)
        self.steps = 0

    def step(self, batch: Data) -> Step:
        self.steps += 1
        if self.fails is not None and self.steps == 3:
            raise self.fails
        near, far = self.line(self.x).square().mean(), self.line.weight.square().sum()
        return Step({"near": near, "far": far})

    def embed(self, inputs: Data) -> Tensor:
        return self.line(inputs.x)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> type[Own]:
    """A method that has registered itself."""
    methods.names()
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    METHODS.register("own")(Own)
    monkeypatch.setattr(Own, "fails", None)
    return Own


@pytest.mark.parametrize("method", methods.names())
def test_every_parameter_is_explained(method: str) -> None:
    kind = METHODS.get(method).Config
    assert set(kind.main) <= set(explained(kind)) == set(kind().flat()) and len(kind.main) <= 8
    for name, words in explained(kind).items():
        assert not words.startswith(name), f"the docstrings of {kind.__name__} say nothing of {name}"


@pytest.mark.parametrize("method", methods.names("nodes"))
def test_the_fields_are_those_of_the_configuration(method: str, small_graph: Data) -> None:
    form = widgets.training_panel(small_graph, method).form
    kind = METHODS.get(method).Config
    wanted = kind().flat()
    shown = {name: field.value for name, field in form.fields.items() if "." not in name}
    assert {n: tuple(v.splitlines()) if isinstance(wanted[n], tuple) else v for n, v in shown.items()} == wanted
    options = set()
    for part, registry in kind.parts().items():
        assert form.fields[part].options == tuple(registry.names())
        options |= {f"{part}.{option}" for option in options_of(registry, wanted[part])}
    assert options == {name for name in form.fields if "." in name}
    first = [cell.children[0].description for cell in form._main.children[4:]]
    first = [name for name in first if "." not in name]
    assert first == list(kind.main) and len(first) <= 8
    folded = [cell.children[0].description for cell in form._more.children]
    assert sorted(first + folded) == sorted(wanted) and form._folded.selected_index is None
    assert form._without.value == ""
    for name, words in explained(kind).items():
        assert form.fields[name].tooltip == words


def test_its_call_makes_the_same_form_again(small_graph: Data) -> None:
    panel = panel_for("karate", tau=0.3, seed=4)
    panel.form.fields["negatives"].value, panel.every.value = "hop-far", 9
    panel.form.fields["negatives.hops"].value = 4
    variables: dict[str, Any] = {}
    assert panel.home.call == panel.call() and panel.children[-1] is panel.home
    exec(panel.home.call.replace("wb.widgets.training_panel", "again = wb.widgets.training_panel"), variables)
    assert variables["again"].form.asked == panel.form.asked and variables["again"].every.value == 9
    asked = panel.form.asked
    panel.form.fields["tau"].value = -1.0
    assert (
        panel.form.asked is None
        and panel.call() == panel.home.call
        and f"tau={asked.preset.changed['tau']}" in panel.call()
    )
    assert "# graph: as in the notebook" in panel_for(small_graph).call()


def test_a_method_that_registers_itself_is_there_with_its_parameters(own: type[Own], small_graph: Data) -> None:
    form = panel_for(small_graph).form
    form.method.value = "own"
    kinds = {name: type(field) for name, field in form.fields.items()}
    assert kinds == {
        "epochs": ipw.IntText, "lr": ipw.FloatText, "weight_decay": ipw.FloatText, "width": ipw.IntText,
        "rate": ipw.FloatText, "wish": ipw.Text, "mirrored": ipw.Checkbox, "kind": ipw.Dropdown, "words": ipw.Textarea,
    }  # fmt: skip
    assert [cell.children[0].description for cell in form._main.children[4:]] == ["epochs", "width", "rate"]
    assert form.fields["width"].tooltip == "width of the embedding, in columns. · at least 2"
    assert form.fields["rate"].tooltip == "two things at once. · at least 0, below 1"
    assert form.fields["lr"].tooltip == "learning rate of Adam. · above 0"
    assert form.fields["kind"].options == ("one", "two") and form.preset.options == ("defaults",)
    form.fields["words"].value = " third, too \n\nfourth\n"
    form.fields["mirrored"].value = True
    assert form.asked.preset.changed == {"mirrored": True, "words": ("third, too", "fourth")}
    form.fields["words"].value = "first\nsecond, with a comma"
    assert form.asked.preset.changed == {"mirrored": True}
    form.method.value = "grace"
    assert "tau" in form.fields and "width" not in form.fields and form.asked.method == "grace"


def test_a_method_that_names_no_main_parameters_still_has_some() -> None:
    @dataclass(frozen=True)
    class Plain(Config):
        width: int = 4

    assert Plain.main == ("epochs", "lr") and base.ContrastConfig.main == ("epochs", "lr", "negatives", "k")
    assert explained(Plain)["width"] == "width" and list(Plain.types())[-1] == "width"
    assert explained(METHODS.get("e2neg").Config)["k"].startswith("clusters, hence centres")  # not its base's words
    with pytest.raises(UserError, match="unknown parameter 'main'"):
        methods.configure("grace", None, "cora", {"main": ("tau",)})


def test_a_preset_fills_in_its_values_and_what_differs_is_told(small_graph: Data) -> None:
    form = widgets.training_panel(small_graph, preset="quick", tau=0.3).form
    assert form.summary.value == "preset quick + tau=0.3" and form.asked.preset.changed == {"tau": 0.3}
    form.preset.value = "released/citeseer"
    _, config = methods.configure("grace", "citeseer", "small", {})
    assert config.flat() == {n: f.value for n, f in form.fields.items() if "." not in n}
    assert form.summary.value == "preset released/citeseer" and form.asked.preset.changed == {}
    form.fields["epochs"].value, form.fields["dim"].value = 7, 16
    assert form.summary.value == "preset released/citeseer + epochs=7, dim=16" and form.asked.epochs == 7
    form.fields["dim"].value = 256  # as the preset has it
    assert form.asked.preset.changed == {"epochs": 7}
    form.graph.value = "karate"  # has no preset of the authors'
    assert form.preset.value == "defaults" and form.asked.preset.changed == {} and form.asked.graph == "karate"
    form.preset.value = "quick"
    form.graph.value = "small"  # one that is for any graph stays
    assert form.preset.value == "quick" and form.asked.graph is small_graph


def test_the_authors_preset_of_a_graph_is_taken_where_there_is_one(small_graph: Data) -> None:
    cora = Data(x=small_graph.x, edge_index=small_graph.edge_index, name="cora")
    form = widgets.training_panel(cora).form
    assert form.graph.value == "cora" and form.preset.value == "released/cora" and form.asked.graph is cora
    form.method.value = "e2neg"
    assert form.preset.value == "tuned/cora"
    form.method.value = "swav"
    assert form.preset.value == "defaults"
    form.method.value = "str-gcl"
    assert form.preset.value == "released/cora" and form.fields["rules"].value == "ntsc-soft\nlgtc-soft"


def test_graphs_that_are_here_can_be_chosen(small_graph: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    (tmp_path / "Planetoid" / "Cora" / "raw").mkdir(parents=True)
    (tmp_path / "Planetoid" / "Cora" / "raw" / "ind.cora.x").touch()
    small_graph.name = None
    assert widgets.training_panel(small_graph).form.graph.options == (
        "your graph", "cora", "digits", "karate", "planted", "pydocs",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("tau", -1.0, "parameter 'tau' is -1.0; it must be above 0"),
        ("edge_drop_1", 1.5, "parameter 'edge_drop_1' is 1.5; it must be below 1"),
        ("seed", -3, "seed is -3; it must be a whole number"),
    ],
)
def test_a_bad_value_is_told_beside_its_field_and_keeps_start_from_being_pressed(
    small_graph: Data, name: str, value: float, words: str
) -> None:
    panel = panel_for(small_graph)
    form = panel.form
    field = form.seed if name == "seed" else form.fields[name]
    good = field.value
    field.value = value
    assert words in form.complaints[name].value.replace("&#x27;", "'")
    assert [one for one, beside in form.complaints.items() if beside.value] == [name]
    assert panel.buttons["start"].disabled and (form._folded.selected_index == 0) == (name == "edge_drop_1")
    with pytest.raises(UserError, match=re.escape(words)):
        panel.start()
    field.value = good
    assert not any(beside.value for beside in form.complaints.values()) and not panel.buttons["start"].disabled


def test_values_that_do_not_go_together_are_told_below(small_graph: Data) -> None:
    panel = widgets.training_panel(small_graph, "e2neg", k=6)
    panel.form.fields["augment"].value = "mask-drop"
    assert "needs a true second view" in panel.form.summary.value and panel.buttons["start"].disabled
    panel.form.fields["alias"].value = False
    assert "augment=mask-drop" in panel.form.summary.value and not panel.buttons["start"].disabled


def test_options_of_a_part_have_fields_that_come_and_go_with_it(small_graph: Data) -> None:
    form = widgets.training_panel(small_graph, negatives="hop-far", hops=5).form
    assert form.asked.preset.changed == {"negatives": "hop-far", "negatives.hops": 5}
    hops = form.fields["negatives.hops"]
    assert hops.value == 5 and hops in [cell.children[0] for cell in form._main.children if hasattr(cell, "children")]
    hops.value = 4
    assert form.asked.preset.changed == {"negatives": "hop-far", "negatives.hops": 4} and "hops=4" in form.summary.value
    form.fields["negatives"].value = "uniform"
    assert form.asked.preset.changed == {"negatives": "uniform"} and not form.problem
    assert not [name for name in form.fields if name.startswith("negatives.")]
    form.fields["negatives"].value = "hop-near"
    assert form.asked.preset.changed == {"negatives": "hop-near"} and form.fields["negatives.hops"].value == 2
    form.fields["negatives.hops"].value = 1
    assert form.asked.preset.changed == {"negatives": "hop-near", "negatives.hops": 1}


def test_a_plan_of_adaptation_is_turned_in_the_form_and_its_words_are_chosen_from(small_graph: Data) -> None:
    form = widgets.training_panel(small_graph, "adapt", plan="lora").form
    form.fields["plan"].value = "experts"
    assert "plan.alpha" not in form.fields and form.fields["plan.mode"].options == ("vanilla", "sparse", "low-rank")
    form.fields["plan.mode"].value, form.fields["plan.bits"].value = "sparse", "8"
    assert form.asked.preset.changed == {"plan": "experts", "plan.mode": "sparse", "plan.bits": "8"}


def test_images_are_trained_on_in_the_panel_and_labels_that_are_learned_are_told(
    small_data: Callable[..., Any],
) -> None:
    images = small_data("adapt", "arrays")
    small = {"epochs": 2, "labels": 2, "dim": 8, "encoder.blocks": 1, "encoder.heads": 2, "encoder.patch": 1}
    panel = trained(widgets.training_panel(images, "adapt", "defaults", plan="lora", **small))  # type: ignore[arg-type]
    assert panel.run is not None and len(panel.run.embeddings) == len(images.x) and not panel.scene.failed
    assert panel.form.graph.description == "data" and "digits-placed" in panel.form.graph.options
    assert "classifier" in panel.form.method.options and "grace" not in panel.form.method.options
    assert f"PCA of {len(images.x)} rows" in told(panel.figures["map"])
    assert "learns from labels" in told(panel.figures["map"]) and "never to train" not in told(
        panel.figures["accuracy"]
    )


def test_what_cannot_be_asked_for_is_an_error_at_once(small_graph: Data) -> None:
    for more, words in (
        ({"taw": 0.3}, "unknown parameter 'taw'"),
        ({"method": "grase"}, "did you mean 'grace'"),
        ({"method": "lightgcn"}, "nodes of a graph or rows of an array, on which 'lightgcn' does not learn; use fit"),
        ({"method": "simclr"}, "'simclr' does not learn on nodes of a graph; those that do: adapt, bgrl, "),
        ({"graph": "digits-placed"}, "'grace' does not learn on rows of an array; those that do: adapt, classifier, "),
        ({"preset": "quik"}, "did you mean 'quick'"),
        ({"seed": -1}, "seed is -1"),
        ({"every": 0}, "every is 0"),
        ({"graph": 3}, "not int"),
    ):
        with pytest.raises(UserError, match=words):
            widgets.training_panel(**({"graph": small_graph} | more))


# --------------------------------------------------------------------------------------------------------- the thread


def test_it_trains_beside_the_notebook_and_has_the_bits_of_fit(small_graph: Data, tmp_path: Path) -> None:
    panel = panel_for(small_graph, epochs=7, every=3, seed=2)
    assert panel.run is None and panel.history.empty and "press start" in panel.message.value
    assert panel.buttons["pause"].disabled and panel.buttons["stop"].disabled
    assert list(panel._papers()) == panel.home.figures == []  # empty figures are not printed
    trained(panel)
    assert list(panel._papers()) == panel.home.figures == ["losses", "accuracy", "map"]
    seen = {}
    run = wb.fit("grace", small_graph, "defaults", 2, store=tmp_path, progress=False, epochs=7, **SMALL,
                 callback=lambda now: seen.update({now.epoch: now.embed()}))  # fmt: skip
    assert torch.equal(panel.run.embeddings, run.embeddings) and panel.run.complete and len(panel.run.snapshots) == 8
    columns = ["loss", "contrast"]
    pd.testing.assert_frame_equal(panel.history[columns], run.history[columns])
    curve = panel.figures["accuracy"].data[0]
    assert list(curve.x) == [1, 3, 6, 7]
    for epoch, accuracy in zip(curve.x, curve.y, strict=True):
        assert accuracy == wb.evaluate(seen[epoch], small_graph, splits=1, progress=False).accuracy
    np.testing.assert_array_equal(panel.figures["losses"].data[0].y, run.history["loss"])
    assert "Map after epoch 7" in told(panel.figures["map"]) and "trustworthiness" in told(panel.figures["map"])
    assert "uses labels to look, never to train" in told(panel.figures["accuracy"])
    scores = wb.evaluate(panel.run, small_graph, progress=False)
    for part in ("Trained: grace on small, preset defaults + epochs=7", str(scores), "7 of 7 epochs", "MiB above"):
        assert part in panel.message.value
    assert panel.counter.value == "epoch 7 of 7" and panel.graph is small_graph and panel.error == ""


def test_no_epoch_passes_in_a_pause(small_graph: Data) -> None:
    panel = panel_for(small_graph, epochs=100_000)
    panel.start()
    assert panel.buttons["start"].disabled and not panel.buttons["pause"].disabled
    until(lambda: panel.scene.epoch >= 3)
    panel.buttons["pause"].click()
    epoch = paused(panel)
    assert panel.buttons["pause"].description == "resume" and "Paused" in panel.message.value
    assert panel.counter.value == f"epoch {epoch:,} of 100,000" and len(panel.history) == epoch
    panel.scene.join(0.3)
    assert len(panel.history) == epoch and panel.scene.is_alive()
    panel.buttons["pause"].click()
    until(lambda: len(panel.history) > epoch + 3)
    assert panel.buttons["pause"].description == "pause"
    epoch = paused(panel)
    panel.start()  # of the same request: it goes on
    until(lambda: panel.scene.epoch > epoch)
    epoch = paused(panel)
    panel.buttons["stop"].click()
    ended(panel)
    assert not panel.run.complete and panel.run.epochs == len(panel.history) == epoch
    assert "Stopped; start goes on from this checkpoint" in panel.message.value
    assert f"# run: was stopped after {epoch} epochs" in preamble(run=panel.run)
    assert panel.buttons["stop"].disabled and not panel.buttons["start"].disabled


@pytest.mark.parametrize("again", [False, True])
def test_what_was_stopped_goes_on_to_the_same_bits(small_graph: Data, tmp_path: Path, again: bool) -> None:
    panel = panel_for(small_graph, epochs=120, every=10)
    panel.start()
    until(lambda: panel.scene.epoch >= 12)
    panel.stop()
    part = ended(panel).run.epochs
    assert 12 <= part < 120 and not panel.run.complete
    if again:  # in a panel that knows nothing of it
        panel = panel_for(small_graph, epochs=120, every=10)
    trained(panel)
    whole = wb.fit("grace", small_graph, "defaults", store=tmp_path, progress=False, epochs=120, **SMALL)
    assert panel.run.complete and torch.equal(panel.run.embeddings, whole.embeddings)
    assert f"the last {120 - part} from a checkpoint on" in panel.message.value
    assert list(panel.figures["losses"].data[0].x) == list(range(1, 121))
    looked = list(panel.figures["accuracy"].data[0].x)
    assert looked == sorted({*([] if again else [1, 10, part]), part + 1, *range((part // 10 + 1) * 10, 121, 10)})
    trained(panel_for(small_graph, epochs=120, every=10))
    assert not [file for file in (tmp_path / "runs").glob(".*")], "the checkpoint is gone"


def test_a_request_that_is_stored_is_loaded_with_what_was_kept_on_the_way(small_graph: Data) -> None:
    first = trained(panel_for(small_graph, epochs=14, every=2))
    panel = trained(panel_for(small_graph, epochs=14))
    assert "Loaded from the store" in panel.message.value and panel.scene.went_on == 0
    assert list(panel.figures["losses"].data[0].y) == list(first.figures["losses"].data[0].y)
    curve, before = (
        dict(zip(*(one.figures["accuracy"].data[0][a] for a in "xy"), strict=True)) for one in (panel, first)
    )
    assert list(curve) == [0, 2, 4, 6, 8, 10, 12, 14] and list(before) == [1, 2, 4, 6, 8, 10, 12, 14]
    assert all(abs(curve[epoch] - before[epoch]) < 5 for epoch in (2, 6, 12)) and curve[14] == before[14]
    assert "Map after epoch 14" in told(panel.figures["map"])


def test_another_request_takes_the_place_of_a_paused_one(small_graph: Data) -> None:
    panel = panel_for(small_graph, epochs=100_000)
    panel.start()
    until(lambda: panel.scene.epoch >= 2)
    paused(panel)
    first = panel.scene
    panel.form.fields["epochs"].value = 4
    assert not panel.buttons["start"].disabled
    panel.buttons["start"].click()
    ended(panel)
    assert not first.is_alive() and not first.result.complete and panel.run.epochs == 4
    assert list(panel.figures["losses"].data[0].x) == [1, 2, 3, 4] and "4 of 4 epochs" in panel.message.value
    panel._follow(first)  # what comes too late is not shown
    assert list(panel.figures["losses"].data[0].x) == [1, 2, 3, 4] and "4 of 4 epochs" in panel.message.value


def test_one_model_is_trained_at_a_time(small_graph: Data) -> None:
    one, other = panel_for(small_graph, epochs=100_000), panel_for(small_graph, epochs=100_001)
    one.start()
    until(lambda: one.scene.epoch >= 2)
    other.start()
    until(lambda: other.scene.epoch >= 2)
    assert "Stopped, as another training was started" in one.message.value and not one.run.complete
    panel_for(small_graph)  # as by a cell that is run again
    ended(other)
    assert "Stopped, as another panel was made" in other.message.value
    other.start()
    until(lambda: other.scene.epoch > other.scene.went_on + 2 > 2)
    other.close()
    until(lambda: not under_way())


def test_the_process_may_end_while_a_model_trains(tmp_path: Path) -> None:
    program = (
        "import time, workbench as wb\n"
        "panel = wb.widgets.training_panel('karate', epochs=10**6)\n"
        "panel.start()\n"
        "while panel.scene.epoch < 3: time.sleep(0.01)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0 and ended.stderr == ""
    assert list((tmp_path / "runs").glob(".*.checkpoint"))


def test_a_failure_is_one_sentence_and_the_panel_stays_usable(own: type[Own], small_graph: Data) -> None:
    own.fails = RuntimeError("no such tensor\nat some place")
    panel = trained(widgets.training_panel(small_graph, "own"))
    assert "RuntimeError: no such tensor; the full report is in panel.error." in panel.message.value
    assert "Traceback" in panel.error and "at some place" in panel.error and panel.run is None
    assert len(panel.history) == 2 and panel.progress.bar_style == "danger"
    trained(panel)  # the same again, of which there is no checkpoint
    assert list(panel.history.index) == [1, 2] and list(panel.figures["losses"].data[0].x) == [1, 2]
    own.fails = UserError("this graph has too few edges")
    panel.form.seed.value = 1
    trained(panel)
    assert "this graph has too few edges." in panel.message.value and panel.error == ""
    own.fails = None
    panel.form.fields["epochs"].value = 6
    trained(panel)
    assert panel.run.complete and panel.progress.bar_style == "" and panel.error == ""
    assert {trace.xaxis for trace in panel.figures["losses"].data} == {"x", "x2", "x3"}
    panel.form.method.value = "grace"
    panel.form.fields["epochs"].value = 3
    trained(panel)
    assert panel.run.method == "grace" and len(panel.figures["losses"].data) == 1
    assert panel.figures["losses"].layout.xaxis2.domain is None, "a panel without a curve is left"


def test_a_graph_that_is_not_here_is_told_when_it_is_loaded() -> None:
    panel = trained(widgets.training_panel("coar"))
    assert "unknown graph &#x27;coar&#x27;; did you mean &#x27;cora&#x27;?" in panel.message.value


def test_pictures_take_a_tenth_of_the_time_at_most(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(thread, "time", clock)

    def pictures(seconds: float) -> list[tuple[float, float]]:
        """Train 10 s of epochs of 10 ms where a picture takes some time; return when each began and ended."""
        drawn = []

        def draw(_: Training) -> None:
            began, clock.now = clock.now, clock.now + seconds
            drawn.append((began, clock.now))

        training = Training(checked(small_graph, "grace", None, 0, {})[0], 10**9, draw)
        training.phase, until = "training", clock.now + 10
        epoch = 1
        while clock.now < until:
            clock.now, epoch = clock.now + 0.01, epoch + 1
            assert training._after_epoch(Progress(epoch, 10**9, {"loss": 1.0}, 0.0, lambda: torch.zeros(1)))
        return drawn

    for seconds, least, most in ((0.0, 31, 34), (0.1, 9, 10), (1.0, 1, 1)):
        drawn = pictures(seconds)
        assert least <= len(drawn) <= most, seconds
        for (_, ended), (began, _) in pairwise(drawn):
            assert began - ended >= max(0.3, 9 * seconds) - 1e-6


def test_the_time_left_goes_by_the_latest_epochs_and_looks(small_graph: Data) -> None:
    training = Training(checked(small_graph, "grace", None, 0, {"epochs": 100})[0], 5)
    training.phase = "training"
    assert training.left() is None
    training.rows = [{"epoch": 1, "seconds": 50.0}]  # the first one was slow
    training.rows += [{"epoch": epoch, "seconds": 50.0 + 2 * epoch} for epoch in range(2, 31)]
    training.looks.seconds = 1.5
    assert training.left() == pytest.approx(70 * (2 + 1.5 / 5))


# -------------------------------------------------------------------------------------------------------- the looks


@pytest.mark.parametrize("classes", [3, 20])
def test_the_names_of_many_classes_stand_below_the_map(small_graph: Data, classes: int) -> None:
    small_graph.y = torch.arange(60) % classes
    small_graph.class_names = [f"a class of some length {number}" for number in range(classes)]
    looks = Looks(small_graph, 0)
    looks.look(1, torch.randn(60, 8, generator=torch.Generator().manual_seed(0)))
    layout = looks.draw_map().layout
    assert (layout.legend.orientation, layout.legend.x < 1) == (("v", False), ("h", True))[classes > 10]
    assert layout.height - layout.margin.t - layout.margin.b >= 400


def test_maps_of_a_training_lie_upon_one_another(small_graph: Data) -> None:
    looks, draw = Looks(small_graph, 0), torch.Generator().manual_seed(0)
    first = torch.randn(60, 8, generator=draw)
    looks.look(1, first)
    before, one = looks.map.points, looks.draw_map()
    looks.look(2, first @ torch.linalg.qr(torch.randn(8, 8, generator=draw)).Q)  # the same places, turned
    np.testing.assert_allclose(looks.map.points, before, atol=1e-4)
    looks.look(3, first + 2 * torch.randn(60, 8, generator=draw))
    other = looks.draw_map()
    assert [(t.name, list(t.customdata)) for t in one.data] == [(t.name, list(t.customdata)) for t in other.data]
    for number, axis in enumerate("xy"):
        low, high = other.layout[f"{axis}axis"].range
        for points in (before, looks.map.points):
            assert low < points[:, number].min() and points[:, number].max() < high
    looks.forget(3)
    assert list(looks.scores) == [1, 2] and looks.map is None


@pytest.mark.parametrize(
    ("graph", "words"),
    [("karate", "wants at least 50 labelled nodes"), ("unlabelled", "has no labels")],
)
def test_labels_that_are_missing_are_told(small_graph: Data, graph: str, words: str) -> None:
    unlabelled = Data(x=small_graph.x, edge_index=small_graph.edge_index, name="unlabelled")
    panel = trained(panel_for(graph if graph == "karate" else unlabelled, epochs=3))
    assert panel.error == "" and panel.graph.num_nodes == len(panel.run.embeddings)
    assert panel.run.complete and words in told(panel.figures["accuracy"]) and not panel.figures["accuracy"].data[0].x
    assert "no accuracy: " in panel.message.value and words in panel.message.value
    names = [trace.name for trace in panel.figures["map"].data]
    assert names == ["no label"] if graph == "unlabelled" else len(names) == 4


@pytest.mark.parametrize("least", [0.0, 2.0])
def test_the_effective_rank_is_shown_and_a_collapse_told(
    least: float, small_graph: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "COLLAPSED", least)  # of the untrained rank: nothing has collapsed, or all has
    monkeypatch.setattr(thread, "COLLAPSED", least)
    panel = panel_for(small_graph, epochs=40, every=3)
    panel.start()
    until(lambda: panel.scene.epoch > 10)
    epoch = paused(panel)
    shown = panel.figures["accuracy"].data[1]
    until(lambda: max(shown.x) > epoch - 3)  # the losses are drawn before it
    assert shown.name == "effective rank" and {0, 1, 3, 9} <= {*shown.x} and max(shown.x) <= epoch
    assert ("collapsed so far" in panel.message.value) == (least > 1)
    assert f"{shown.y[0]:.1f} dimensions untrained, {shown.y[-1]:.1f} after epoch {max(shown.x)}" in panel.scene._rank()
    panel.resume()
    run = ended(panel).run
    assert run is not None and run.collapse == panel.scene.warning.removeprefix("grace: ").removesuffix(".")
    assert (html.escape(run.collapse) in panel.message.value) and bool(run.collapse) == (least > 1)
    ranks = dict(zip(panel.figures["accuracy"].data[1].x, panel.figures["accuracy"].data[1].y, strict=True))
    assert ranks[40] == pytest.approx(wb.quality(run).effective_rank)
    assert ranks[0] == pytest.approx(run.watched.loc[0, "effective_rank"])
    monkeypatch.setenv(shell.HEADLESS, "1")
    report = widgets.training_panel(small_graph, "grace", "defaults", every=3, epochs=40, **SMALL)
    assert bool(report.warning) == (least > 1)  # type: ignore[union-attr]


def test_long_curves_are_thinned_and_keep_their_end(small_graph: Data) -> None:
    training = Training(checked(small_graph, "grace", None, 0, {"epochs": 5000})[0], 5)
    training.rows = [{"epoch": e, "loss": 1 / e, "contrast": 1 / e, "seconds": e} for e in range(1, 3456)]
    drawn = training.figure("losses").data[0]
    assert len(drawn.x) <= 1000 and drawn.x[-1] == 3455 and drawn.y[-1] == 1 / 3455


def test_nobody_there_to_click_gets_the_same_pictures(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = trained(panel_for(small_graph, epochs=6, every=2))
    monkeypatch.setenv(shell.HEADLESS, "1")
    shown: list[Any] = []
    monkeypatch.setattr(shell, "display", shown.append)
    shutil.rmtree(panel.run.path)
    report = widgets.training_panel(small_graph, "grace", "defaults", every=2, epochs=6, **SMALL)
    assert isinstance(report, widgets.Report) and not under_way()
    assert torch.equal(report.run.embeddings, panel.run.embeddings) and report.graph is small_graph
    report._ipython_display_()
    figures = [one for one in shown if isinstance(one, go.Figure)]
    assert len(figures) == 3 and not any(isinstance(one, go.FigureWidget) for one in figures)
    for figure, name in zip(figures, ("losses", "accuracy", "map"), strict=True):
        for drawn, wanted in zip(figure.data, panel.figures[name].data, strict=True):
            np.testing.assert_array_equal(drawn.x, wanted.x)
            np.testing.assert_array_equal(drawn.y, wanted.y)
    texts = " ".join(one.data for one in shown if not isinstance(one, go.Figure))
    assert "controls of the training panel appear" in texts and report.sentence.startswith("Trained: grace on small")
    assert str(wb.evaluate(report.run, small_graph, progress=False)) in texts
    with pytest.raises(UserError, match="lower the learning rate"):
        widgets.training_panel(small_graph, epochs=50, lr=1e30)
    with pytest.raises(UserError, match="nodes of a graph or rows of an array, and tastes is users and items"):
        widgets.training_panel("tastes", "grace")


# -------------------------------------------------------------------------------------------------- a real browser


class Page(Screen):
    """The page with the training panel."""

    drawn = "document.querySelectorAll('.js-plotly-plot .main-svg').length >= 3"  # nothing is trained yet
    LOSSES, ACCURACY, MAP = (f"[...document.querySelectorAll('.js-plotly-plot')][{place}]" for place in range(3))

    def points(self, figure: str) -> str:
        return f"({figure}._fullData || []).reduce((sum, trace) => sum + (trace.x || []).length, 0)"

    @property
    def epoch(self) -> int:
        return int(self.page.locator(".training-counter").inner_text().split()[1].replace(",", ""))

    def says(self, text: str) -> None:
        self.page.locator(".training-message").get_by_text(text).wait_for()

    def passes(self, epoch: int) -> None:
        """Wait until an epoch has passed."""
        counter = "document.querySelector('.training-counter').innerText"
        self.until(f"Number({counter}.split(' ')[1].replace(',', '')) > {epoch}")

    def type(self, field: str, value: str) -> None:
        self.page.locator(f".training-field-{field} input").fill(value)
        self.page.keyboard.press("Tab")

    def answer(self, code: str, answer: str) -> None:
        """Run code in a new cell and wait for what it prints."""
        for command in ("notebook:insert-cell-below", "notebook:enter-edit-mode"):
            self.page.evaluate(f"() => window.jupyterapp.commands.execute('{command}')")
        self.page.keyboard.type(code)
        self.page.keyboard.press("Shift+Enter")
        self.page.locator(".jp-OutputArea-output").get_by_text(answer, exact=True).wait_for()


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Page]:
    source = "import workbench as wb\npanel = wb.widgets.training_panel('digits', 'e2neg', every=2)\npanel"
    with lab(tmp_path, source) as (address, token), browser(address, token, tmp_path, Page) as shown_:
        yield shown_


@needs_chromium
def test_a_person_in_a_browser_watches_pauses_and_changes_their_mind(screen: Page) -> None:
    page = screen.page
    start, pause, stop = (page.locator(f".training-{name}") for name in ("start", "pause", "stop"))
    page.locator(".training-method select").select_option("grace")
    page.locator(".training-field-negatives").wait_for()  # which e2neg has among its folded ones
    page.locator(".training-preset select").select_option("quick")
    screen.type("tau", "-1")
    page.get_by_text("parameter 'tau' is -1.0; it must be above 0").wait_for()
    assert start.is_disabled()
    for field, value in (("tau", "0.3"), ("dim", "16"), ("epochs", "5000")):
        screen.type(field, value)
    page.locator(".training-summary").get_by_text("preset quick + epochs=5000, dim=16, tau=0.3").wait_for()

    start.click()
    screen.says("Training grace on digits")
    screen.until(f"{screen.points(screen.LOSSES)} >= 3 && {screen.points(screen.ACCURACY)} >= 1")
    screen.until(f"{screen.points(screen.MAP)} == 1797 && {screen.MAP}._fullData.length == 10")
    before = page.evaluate(screen.points(screen.LOSSES))
    screen.until(f"{screen.points(screen.LOSSES)} > {before}")
    page.locator(".training-counter").get_by_text("left").wait_for()

    began = time.monotonic()
    screen.answer("print('answer', 6 * 7, len(panel.history) > 2, panel.run)", "answer 42 True None")
    print(f"a cell was answered in {time.monotonic() - began:.1f} s while a model trained")
    screen.passes(screen.epoch)

    pause.click()
    screen.says("Paused")
    epoch = screen.epoch
    screen.until(f"{screen.points(screen.LOSSES)} == {epoch}")
    page.wait_for_timeout(1_000)
    assert screen.epoch == epoch and pause.inner_text() == "resume"
    pause.click()
    screen.passes(epoch)
    stop.click()
    screen.says("Stopped; start goes on from this checkpoint")
    epoch = screen.epoch
    start.click()
    screen.says(f"from epoch {epoch + 1} on: a checkpoint held the epochs before")
    screen.passes(epoch)

    screen.type("epochs", "4")  # and start, without a stop: another mind
    start.click()
    screen.says("Trained: grace on digits, preset quick + epochs=4, dim=16, tau=0.3")
    assert "over 10 random splits of one embedding" in page.locator(".training-message").inner_text()
    screen.until(f"{screen.points(screen.LOSSES)} == 4 && {screen.MAP}.layout.title.text == 'Map after epoch 4'")
    screen.answer("print(panel.run.epochs, panel.run.complete)", "4 True")
    assert screen.left == []
