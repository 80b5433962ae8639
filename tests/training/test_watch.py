"""Looks at an embedding while a method trains: no bit is changed, a collapse is told, the best moment can be kept."""

import json
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

import workbench as wb
from workbench.cli import main
from workbench.errors import Collapse, UserError
from workbench.methods import METHODS
from workbench.methods.nodes.grace import GraceConfig
from workbench.training import fit, loop, watch
from workbench.training import store as runs
from workbench.training.choice import CHOICES, NUMBERS, choice


def train(graph: Data, store: Path, epochs: int = 12, method: str = "grace", **more: Any) -> wb.Run:
    return wb.fit(method, graph, "small", store=store, progress=False, epochs=epochs, **more)


def bits(run: wb.Run) -> list[Tensor]:
    return [run.embeddings, *run.weights.values(), torch.tensor(run.history.drop(columns="seconds").to_numpy())]


class Blind(watch.Watch):
    """A watch that never looks."""

    def due(self, epoch: int) -> bool:
        return False

    def look(self, epoch: int, embedding: Tensor, every: bool = False) -> None:
        self.rows[epoch] = {"effective_rank": 1.0}


@pytest.mark.parametrize("method", ["grace", "bgrl", "graphmae", "sgrl", "lightgcn"])
def test_looking_changes_no_bit(
    method: str, small_data: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, same = small_data(method), {"store": tmp_path / "a", "method": method, "epochs": 6}
    monkeypatch.setattr(watch, "APART", 1)
    seen = train(data, **same)
    assert [*seen.watched.index] == [0, 1, 2, 3, 4, 5, 6]
    monkeypatch.setattr(loop, "Watch", Blind)
    blind = train(data, **{**same, "store": tmp_path / "b"})
    if isinstance(seen.embeddings, dict):
        assert all(torch.equal(matrix, blind.embeddings[name]) for name, matrix in seen.embeddings.items())
    else:
        assert all(torch.equal(one, other) for one, other in zip(bits(seen), bits(blind), strict=True))


def test_looks_are_few_and_kept_with_the_run(small_graph: Data, tmp_path: Path) -> None:
    looks = {epochs: sorted(watch.Watch(epochs, None, small_graph).moments) for epochs in (0, 3, 99, 100, 5_000)}
    assert looks == {0: [0], 3: [0, 3], 99: [0, 99], 100: [0, 50, 100], 5_000: [*range(0, 5_001, 500)]}
    run = train(small_graph, tmp_path)
    assert [*run.watched.index] == [0, 12]
    assert [*run.watched.columns] == [
        "effective_rank",
        "dead_units",
        "length",
        "kept",
    ]
    assert run.watched.loc[12, "effective_rank"] == pytest.approx(wb.quality(run).effective_rank)
    assert run.watched.loc[0, "effective_rank"] == pytest.approx(
        wb.quality(fit.untrained(run, small_graph)).effective_rank
    )
    assert run.kept == 12 and run.stop is None
    again = runs.load(run.path)
    pd.testing.assert_frame_equal(again.watched, run.watched)
    (run.path / "watched.csv").unlink()
    facts = json.loads((run.path / "run.json").read_text())
    for name in ("stop", "key", "files", "sha256"):
        del facts[name]
    (run.path / "run.json").write_text(json.dumps(facts))
    before = runs.load(run.path)
    assert before.watched.empty and before.kept == 12 and before.collapse == "" and before.stop is None
    more = train(small_graph, tmp_path, snapshots=3)
    assert [*more.watched.index] == [0, 6, 12] and [*more.watched.columns] == [*NUMBERS, "length", "kept"]
    assert more.path == run.path and torch.equal(more.embeddings, run.embeddings)
    pd.testing.assert_frame_equal(runs.load(run.path).watched, more.watched)


def test_what_is_measured_is_of_some_rows(monkeypatch: pytest.MonkeyPatch, small_graph: Data) -> None:
    x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    whole = watch.measured(x, small_graph.edge_index)
    quality = wb.quality(x, small_graph).as_dict()
    assert whole == {name: pytest.approx(quality[name]) for name in NUMBERS}
    monkeypatch.setattr(watch, "ROWS", 20)
    some = watch.measured(x, small_graph.edge_index)
    assert some == watch.measured(x, small_graph.edge_index) != whole
    assert some["alignment"] == whole["alignment"], "of all links"
    monkeypatch.setattr(watch, "WIDE", 4)  # as many rows of what is wider
    assert watch.measured(x, None)["effective_rank"] <= 4 + 1e-9


@pytest.fixture
def collapsing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the small preset of GRACE end with weights of rank one."""
    kind: Any = METHODS.get("grace")

    def after_update(self: Any) -> None:
        with torch.no_grad():
            for weights in self.encoder.parameters():
                if weights.dim() == 2:
                    weights.copy_(weights.mean(0, keepdim=True).expand_as(weights))

    monkeypatch.setattr(kind, "after_update", after_update)
    monkeypatch.setattr(watch, "COLLAPSED", 0.5)  # eight columns can't fall as far as hundreds


@pytest.mark.usefixtures("collapsing")
def test_a_collapse_is_told_with_numbers_and_what_to_do(
    small_graph: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.warns(Collapse, match=r"grace on small: the embedding collapsed: its effective rank fell from") as told:
        run = train(small_graph, tmp_path, 4)
    (collapse,) = (one for one in told if issubclass(one.category, Collapse))  # torch may warn of itself at first
    assert collapse.filename == __file__
    before, after = run.watched["effective_rank"]
    words = f"fell from {before:.1f} dimensions untrained to {after:.1f} after 4 epochs"
    assert words in str(collapse.message) and 'try attributes="columns"' in str(collapse.message)
    assert run.collapse in str(collapse.message) and run.collapse in run._repr_html_().replace("&quot;", '"')
    with pytest.warns(Collapse):
        assert train(small_graph, tmp_path, 4).path == run.path, "told again where it is loaded"
    assert run.collapse in str(wb.quality(run, small_graph))
    with pytest.warns(Collapse) as told:
        train(small_graph, tmp_path, 4, attributes="rows")
    assert "columns" not in str(told[0].message)
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["fit", "grace", "karate", "--preset", "small", "-p", "epochs=4"]) == 0
    out, err = capsys.readouterr()
    assert "workbench: the embedding collapsed: " in err and "collapsed" not in out


def test_no_collapse_is_told_where_there_is_none(small_graph: Data, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Collapse)
        for method in ("grace", "bgrl", "dgi"):
            train(small_graph, tmp_path, method=method)
    ranks = pd.DataFrame({"effective_rank": [40.0, 3.0, 40 * watch.COLLAPSED], "dead_units": 0.0}, index=[0, 5, 10])
    config = GraceConfig()
    assert watch.collapse(ranks, config, 5) and not watch.collapse(ranks, config, 10), "what is kept counts"
    assert not watch.collapse(ranks.drop(0), config, 5) and not watch.collapse(ranks, config, 0)
    assert not watch.collapse(pd.DataFrame(), config, 5)


@pytest.mark.parametrize("stop", CHOICES)
def test_the_best_moment_is_kept(stop: str, small_graph: Data, tmp_path: Path) -> None:
    plain = train(small_graph, tmp_path, 20)
    run = train(small_graph, tmp_path, 20, stop=stop)
    looks = [*range(2, run.epochs + 1, 2)]
    assert [*run.watched.index] == [0, *looks] and run.path != plain.path and run.complete
    assert all(torch.equal(one, other) for one, other in zip(bits(plain)[-1][: run.epochs], bits(run)[-1], strict=True))
    good = {epoch: CHOICES[stop][1](run.watched.loc[epoch]) for epoch in looks}
    assert run.kept == max(looks, key=good.__getitem__) == run.watched.index[run.watched["kept"]][0]
    later = [look for look in looks if look > run.kept]
    assert len(later) == 3 or (len(later) < 3 and run.epochs == 20)
    short = train(small_graph, tmp_path / "short", 20, callback=lambda told: told.epoch < run.kept)
    assert torch.equal(run.embeddings, short.embeddings if run.kept < 20 else plain.embeddings)
    again = train(small_graph, tmp_path, 20, stop=stop)
    assert again.path == run.path and again.stop == stop and again.kept == run.kept
    assert torch.equal(run.encode(small_graph), run.embeddings), "its weights are those of the moment"
    assert f"kept epoch {run.kept} by {stop}" in repr(run) and stop in run._repr_html_()


@pytest.mark.parametrize("at", [1, 3, 4, 7])
def test_a_training_that_chooses_goes_on_from_a_checkpoint_to_the_same_bits(
    at: int, small_graph: Data, tmp_path: Path
) -> None:
    more: dict[str, Any] = {"stop": "effective-rank", "epochs": 20}
    whole = train(small_graph, tmp_path / "a", **more)
    part = train(small_graph, tmp_path / "b", callback=lambda told: told.epoch < at, **more)
    assert not part.complete and part.epochs == at and whole.epochs > at
    resumed = train(small_graph, tmp_path / "b", **more)
    assert all(torch.equal(one, other) for one, other in zip(bits(whole), bits(resumed), strict=True))
    pd.testing.assert_frame_equal(whole.watched, resumed.watched)
    plain = train(small_graph, tmp_path / "c", 20, callback=lambda told: told.epoch < at)
    assert [*plain.watched.index] == [0, at]
    assert [*train(small_graph, tmp_path / "c", 20).watched.index] == [0, 20], "as if it hadn't been interrupted"


def test_snapshots_have_no_say_in_the_choice(small_graph: Data, tmp_path: Path) -> None:
    one = train(small_graph, tmp_path / "a", 20, stop="uniformity")
    other = train(small_graph, tmp_path / "b", 20, stop="uniformity", snapshots=21)
    assert one.kept == other.kept and one.epochs == other.epochs and torch.equal(one.embeddings, other.embeddings)
    assert [*other.snapshots] == [*range(one.epochs + 1)]
    with_unit_rows = torch.nn.functional.normalize(one.embeddings).half()
    assert torch.equal(other.snapshots[one.kept], with_unit_rows)


def test_the_choice_by_hand() -> None:
    def rows(*ranks: float) -> dict[int, dict[str, float]]:
        return {10 * place: {"effective_rank": rank} for place, rank in enumerate(ranks)}

    assert choice(rows(9), "effective-rank") == (None, None), "the untrained one is never kept"
    assert choice(rows(9, 5, 4, 6, 6), "effective-rank") == (30, None), "of equal ones the first"
    assert choice(rows(9, 5, 4, 3, 2, 8), "effective-rank") == (10, 40), "a fifth look would not have been taken"
    assert choice(rows(9, 5, 4, 3, 2, 8), "effective-rank", 99) == (50, None)
    assert choice(rows(9, math.nan, 4, math.nan), "effective-rank") == (20, None)
    alphas = {epoch: {"alpha_req": alpha} for epoch, alpha in enumerate([0, 0.5, 1.2, 0.9, 1.4])}
    assert choice(alphas, "alpha-req") == (3, None)
    sums = {1: {"alignment": 1.0, "uniformity": -2.0}, 2: {"alignment": 0.5, "uniformity": -1.6}}
    assert choice(sums, "alignment-uniformity") == (2, None) and choice(sums, "uniformity") == (1, None)


def test_mistakes_are_named(small_graph: Data, small_data: Callable[..., Any], tmp_path: Path) -> None:
    nearest = "unknown number 'efective-rank' to stop by; did you mean 'effective-rank'"
    with pytest.raises(UserError, match=nearest):
        train(small_graph, tmp_path, stop="efective-rank")
    with pytest.raises(UserError, match="stop='alignment-uniformity' needs the links of one graph"):
        train(small_data("infograph"), tmp_path, method="infograph", stop="alignment-uniformity")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "grace", "karate", "--preset", "small", "-p", "epochs=10"]
    assert main([*words, "--stop", "alpha-req"]) == 0
    assert "by alpha-req" in capsys.readouterr().out
    assert main([*words, "--stop", "alpha"]) == 2
    assert "unknown number 'alpha' to stop by; did you mean 'alpha-req'?" in capsys.readouterr().err
    assert main([*words, "-p", "stop=alpha-req"]) == 2
    assert "'stop' is not given by -p" in capsys.readouterr().err
    assert main([*words, "--seed", "1"]) == 0
    folder = capsys.readouterr().out.splitlines()[-1].split()[-1]
    assert main(["quality", folder, "--other", "grace/karate", "--k", "5"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("grace on karate, preset small") and "of the 5 nearest by cosine" in out
    assert main(["quality", folder, "--json"]) == 0
    quality = json.loads(capsys.readouterr().out)["quality"]
    assert quality["items"] == 34 and quality["agreement"] is None
    assert main(["quality", folder, "--other", folder, "--k", "34"]) == 2
    assert "k must lie between 1 and 33" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "scale", "settings", "said"),
    [
        ("grace", 1e38, {}, "float32 can't hold squares"),
        ("grace", 1, {"lr": 1e6}, "came apart: its rows are .* times as long"),
        ("cca-ssg", 1, {"lr": 1e6}, "came apart"),
        ("deepwalk", 1, {"lr": 1e6}, "came apart"),
    ],
)
def test_a_training_that_came_to_nothing_says_so(
    method: str, scale: float, settings: dict[str, Any], said: str, small_graph: Data
) -> None:
    small_graph.x = small_graph.x * scale
    with pytest.warns(Collapse, match=said):
        run = wb.fit(method, small_graph, "small", epochs=20, progress=False, **settings)
    assert (
        run.embeddings.isfinite().all()
        and re.search(said, run.collapse)
        and re.search(said, runs.load(run.path).collapse)
    )


@pytest.mark.parametrize(
    ("method", "scale", "settings", "said"),
    [
        ("cca-ssg", 1e38, {}, "go up to 1e.38: scale them"),
        ("bgrl", 1e38, {}, "go up to 1e.38: scale them"),
        ("bgrl", 1, {"lr": 1e6}, "lower the learning rate"),
    ],
)
def test_numbers_that_are_not_finite_are_no_result(
    method: str, scale: float, settings: dict[str, Any], said: str, small_graph: Data
) -> None:
    small_graph.x = small_graph.x * scale
    with pytest.raises(UserError, match=said):
        wb.fit(method, small_graph, "small", epochs=20, progress=False, **settings)
    assert runs.table().empty


@pytest.mark.parametrize(("rank", "dead"), [(float("nan"), 0.5), (1.0, 1.0)])
def test_rows_that_are_all_alike_are_told_however_few_dimensions_there_were(rank: float, dead: float) -> None:
    rows = {"effective_rank": [1.0, rank], "dead_units": [0.0, dead], "length": 1.0}
    assert "the same for all items after 7 epochs" in watch.collapse(pd.DataFrame(rows, index=[0, 7]), None, 7)
