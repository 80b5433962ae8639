"""The training loop: same bits, checkpoints, interruption, the store."""

import json
import multiprocessing
import re
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch_geometric.data import Data

import workbench as wb
from workbench import atomic, methods
from workbench.errors import UserError
from workbench.training import code_version, fit, loop
from workbench.training import store as runs


def train(method: str, graph: Data, store: Path, epochs: int = 6, **more: object) -> wb.Run:
    return wb.fit(method, graph, "small", store=store, progress=False, epochs=epochs, **more)  # type: ignore[arg-type]


def test_a_run_without_the_snapshots_that_are_asked_for_gets_them_and_keeps_its_scores(
    small_graph: Data, tmp_path: Path
) -> None:
    plain = train("grace", small_graph, tmp_path)
    (plain.path / "scores").mkdir()
    (plain.path / "scores" / "one.json").write_text(json.dumps(atomic.sealed({})))
    kept = train("grace", small_graph, tmp_path, snapshots=3)
    assert list(kept.snapshots) == [0, 3, 6] and kept.path == plain.path and list(kept.scores) == ["one"]
    changed = (kept.path / "snapshots.safetensors").stat().st_mtime_ns
    assert list(train("grace", small_graph, tmp_path, snapshots=2).snapshots) == [0, 3, 6]
    assert train("grace", small_graph, tmp_path).path == plain.path
    assert (kept.path / "snapshots.safetensors").stat().st_mtime_ns == changed, "nothing was trained again"
    assert not list(tmp_path.glob(".*"))
    for number in (-1, 1, 2.5, True):
        with pytest.raises(UserError, match="snapshots is"):
            train("grace", small_graph, tmp_path, snapshots=number)
    assert [*train("grace", small_graph, tmp_path, snapshots=10**12).snapshots] == [*range(7)]


def test_an_interrupted_run_goes_on_with_its_snapshots(small_graph: Data, tmp_path: Path) -> None:
    whole = train("grace", small_graph, tmp_path / "a", snapshots=4)
    part = train("grace", small_graph, tmp_path / "b", snapshots=4, callback=lambda told: told.epoch < 3)
    assert list(part.snapshots) == [0, 2]
    # This checkpoint lacks the third moment of seven, so that training starts over.
    epochs = []
    train("grace", small_graph, tmp_path / "b", snapshots=7, callback=lambda told: epochs.append(told.epoch))
    assert epochs == [1, 2, 3, 4, 5, 6]
    train("grace", small_graph, tmp_path / "c", snapshots=4, callback=lambda told: told.epoch < 3)
    resumed = train("grace", small_graph, tmp_path / "c", snapshots=4)
    assert all(torch.equal(one, resumed.snapshots[epoch]) for epoch, one in whole.snapshots.items())


def test_what_a_callback_does_is_no_time_of_training(small_graph: Data, tmp_path: Path) -> None:
    run = train("grace", small_graph, tmp_path, epochs=2, callback=lambda told: time.sleep(0.6))
    assert run.seconds < 0.6 and run.history["seconds"].is_monotonic_increasing


def test_words_are_no_code(tmp_path: Path) -> None:
    def code(text: str) -> str:
        (tmp_path / "one.py").write_text(text)
        return code_version._code(tmp_path / "one.py")

    plain = code("def f(a):\n    return a + 1\nclass C:\n    x = 'words'\n    def g(self): pass\n")
    told = code(
        '"""A module."""\n# why\ndef f(\n    a,\n):\n    "Add."\n    return (a + 1)  # one\n'
        'class C:\n    """A class."""\n    x = "words"\n    def g(self):\n        """Nothing."""\n'
    )
    assert plain == told
    for other in ("a + 2", "a - 1", "b + 1"):
        assert code(f"def f(a):\n    return {other}\nclass C:\n    x = 'words'\n    def g(self): pass\n") != plain
    assert code("def f(a):\n    return a + 1\nclass C:\n    x = 'other'\n    def g(self): pass\n") != plain


@pytest.mark.parametrize(
    ("file", "new"),
    [
        ("training/loop.py", {"e2neg", "grace", "str-gcl"}),
        ("methods/base.py", {"e2neg", "grace", "str-gcl"}),
        ("contrast/ratio.py", {"e2neg", "grace", "str-gcl"}),
        ("encoders/graph.py", {"e2neg", "grace", "str-gcl"}),
        ("views/edges.py", {"e2neg", "grace", "str-gcl"}),
        ("randomness.py", {"e2neg", "grace", "str-gcl"}),
        ("methods/nodes/grace.py", {"grace"}),
        ("methods/nodes/e2neg/stars.py", {"e2neg"}),
        ("contrast/negatives/samplers/drawn.py", {"e2neg", "grace", "str-gcl"}),
        ("contrast/negatives/samplers/similar.py", set()),
        *((f"rules/{name}.py", {"str-gcl"}) for name in (
            "__init__", "language", "library", "published", "syntax", "terms", "truth", "vocabulary")),
        ("rules/explanation.py", set()),
        ("errors.py", set()),
        ("plots/rules.py", set()),
        ("evaluation/probes.py", set()),
    ],
)  # fmt: skip
def test_a_change_of_code_is_a_new_run_of_the_methods_that_use_it(
    file: str, new: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, changed = code_version._code, Path(wb.__file__).parent / file
    assert changed.is_file()
    before = {method: version_of(method) for method in ("grace", "str-gcl", "e2neg")}
    monkeypatch.setattr(code_version, "_code", lambda path: code(path) + "changed" * (path == changed))
    assert {method for method in before if version_of(method) != before[method]} == new


def version_of(method: str, **overrides: object) -> str:
    """Compute the version of the code anew, without what was kept."""
    code_version._version.cache_clear()
    return code_version.code_version(method, methods.configure(method, "defaults", "", overrides)[1])


def test_a_change_of_a_sampler_is_a_new_run_of_those_that_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    code, changed = code_version._code, Path(wb.__file__).parent / "contrast/negatives/samplers/drawn.py"
    before = {name: version_of("grace", negatives=name) for name in wb.negatives.names()}
    monkeypatch.setattr(code_version, "_code", lambda path: code(path) + "changed" * (path == changed))
    new = {name for name in before if version_of("grace", negatives=name) != before[name]}
    in_it = {"all", "debiased", "degree-weighted", "hop-far", "hop-near", "uniform", "uniform-each"}
    assert new == in_it | {"hardest", "mixing", "ring", "semi-hard"}, "these draw, or stand beside one that does"


def test_a_callback_sees_losses_and_embeddings_and_changes_nothing(small_graph: Data, tmp_path: Path) -> None:
    seen: list[loop.Progress] = []
    shapes = []

    def look(told: loop.Progress) -> None:
        seen.append(told)
        shapes.append(told.embed().shape)

    run = train("grace", small_graph, tmp_path / "a", callback=look)
    assert [told.epoch for told in seen] == [1, 2, 3, 4, 5, 6] and set(shapes) == {(60, 8)}
    assert [told.terms["loss"] for told in seen] == run.history["loss"].tolist()
    assert torch.equal(run.embeddings, train("grace", small_graph, tmp_path / "b").embeddings)


def test_the_same_request_loads_and_any_other_trains(
    small_graph: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train("e2neg", small_graph, tmp_path)
    monkeypatch.setattr(fit, "Trainer", None)  # training again would fail
    again = train("e2neg", small_graph, tmp_path)
    assert again.path == first.path and torch.equal(again.embeddings, first.embeddings)
    assert again.config == first.config and again.seconds == first.seconds
    pd.testing.assert_frame_equal(again.history, first.history)
    assert torch.equal(again.contrast.nodes, first.contrast.nodes) and again.contrast.tau == first.contrast.tau
    assert again.details.keys() == first.details.keys()
    monkeypatch.undo()
    other = small_graph.clone()
    other.x[0, 0] += 1
    paths = {train("e2neg", *request, epochs=2).path for request in ((small_graph, tmp_path), (other, tmp_path))}
    assert len(paths | {first.path}) == 3


def test_the_folder_of_a_run_is_plain_files(small_graph: Data, tmp_path: Path) -> None:
    run = train("str-gcl", small_graph, tmp_path)
    facts = json.loads((run.path / "run.json").read_text())
    assert facts["config"]["epochs"] == 6 and facts["seed"] == 0 and facts["versions"]["torch"] == torch.__version__
    assert list(pd.read_csv(run.path / "history.csv")) == ["epoch", "loss", "base", "rule", "cross", "seconds"]
    assert load_file(run.path / "embeddings.safetensors")["embeddings"].shape == (60, 8)
    table = runs.table(tmp_path)
    assert table.loc[0, "method"] == "str-gcl" and table.loc[0, "folder"] == str(run.path)
    assert runs.find("str-gcl/small", tmp_path) == runs.find(run.path.name[-16:-8], tmp_path) == run.path
    with pytest.raises(UserError, match="did you mean 'str-gcl/small'"):
        runs.find("str-gcl/smal", tmp_path)
    (run.path / "embeddings.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match="damaged"):
        runs.load(run.path)


def test_fresh_trains_again_over_a_stored_run(small_graph: Data, tmp_path: Path) -> None:
    first = train("grace", small_graph, tmp_path)
    again = train("grace", small_graph, tmp_path, fresh=True)
    assert again.path == first.path and torch.equal(again.embeddings, first.embeddings)
    assert len(runs.table(tmp_path)) == 1


def _train_quietly(store: Path, graph: Data) -> None:
    train("grace", graph, store)


def test_two_processes_with_one_request_leave_one_whole_run(small_graph: Data, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_train_quietly, args=(tmp_path, small_graph)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    assert len(runs.table(tmp_path)) == 1 and runs.load(runs.find("grace/small", tmp_path)).epochs == 6
    assert not list(tmp_path.glob(".*"))


def test_no_epochs_give_the_untrained_encoder(small_graph: Data, tmp_path: Path) -> None:
    run = train("grace", small_graph, tmp_path)
    floor = fit.untrained(run, small_graph)
    assert floor.epochs == 0 and floor.contrast is None and floor.config.dim == 8
    assert run.preset == "small + epochs=6" and floor.preset == "small + epochs=0"
    assert not torch.equal(floor.embeddings, run.embeddings)


def test_seeds_are_split_by_purpose(small_graph: Data, tmp_path: Path) -> None:
    # Other views must not move the initial weights.
    one = train("grace", small_graph, tmp_path, epochs=0)
    two = train("grace", small_graph, tmp_path, epochs=0, edge_drop_1=0.9)
    assert torch.equal(one.embeddings, two.embeddings)


def test_torch_global_generator_is_left_alone(small_graph: Data, tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train("grace", small_graph, tmp_path, epochs=1)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"device": "cdua"}, "did you mean 'cuda'"),
        ({"lr": 1e30, "epochs": 50}, "lower the learning rate"),
    ],
)
def test_mistakes_are_named(small_graph: Data, tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        wb.fit("grace", small_graph, "defaults", store=tmp_path, progress=False, **{"dim": 8, **arguments})


def test_a_graph_without_attributes_is_named(small_graph: Data) -> None:
    with pytest.raises(UserError, match="no attributes"):
        wb.fit("grace", Data(edge_index=small_graph.edge_index, num_nodes=60))
    with pytest.raises(UserError, match=r"'cora' names data; load them first, load_graph\('cora'\)"):
        wb.fit("grace", "cora")  # type: ignore[arg-type]


def test_a_notebook_shows_the_facts_of_a_run(small_graph: Data, tmp_path: Path) -> None:
    small_graph.name = "<b>small</b>"
    run = train("grace", small_graph, tmp_path, epochs=2)
    title, shown = run._repr_html_().split("<table", 1)
    facts = dict(re.findall(r"<th>(.*?)</th>\s*<td>(.*?)</td>", shown))
    assert title == "<b>grace on &lt;b&gt;small&lt;/b&gt;</b>"
    assert facts["epochs"] == "2 of 2" and facts["embeddings"] == f"60 × {run.config.dim}"
    assert facts["folder"] == str(run.path) and float(facts["loss"]) == round(run.history["loss"].iloc[-1], 4)
