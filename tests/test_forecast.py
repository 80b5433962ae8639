"""The forecast: against measured fits, its parts against what is really allocated, the refusal, the command."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench import cli, methods
from workbench.contrast.kernels import SymmetricMass
from workbench.errors import UserError
from workbench.methods import configure
from workbench.training import store as runs
from workbench.training.forecasting import prediction as module
from workbench.training.forecasting import tracing

SMALL: dict[str, dict[str, Any]] = {
    "grace": {"dim": 8, "projection": 8},
    "str-gcl": {"dim": 8, "rule_hidden": 4},
    "e2neg": {"dim": 8, "k": 6},
}


def drawn(nodes: int, features: int = 300) -> Data:
    """A graph of random edges, ten a node, and sparse attributes."""
    g = torch.Generator().manual_seed(nodes)
    source, target = torch.randint(nodes, (2, 5 * nodes), generator=g)
    x = (torch.rand(nodes, features, generator=g) < 0.05).float()
    edges = torch.stack([torch.cat([source, target]), torch.cat([target, source])])
    return Data(x=x, edge_index=edges, num_nodes=nodes, name="drawn")


def expected(method: str, graph: Data, **settings: Any) -> Any:
    nodes = int(graph.num_nodes or 0)
    config = configure(method, "defaults", "drawn", {"epochs": 2, **settings})[1]
    sizes = tracing.sizes(config, nodes)
    return tracing.Expected([tracing.trace(method, config, tracing.piece(graph, size)) for size in sizes], nodes)


def test_the_peak_is_that_of_a_fit() -> None:
    graph, settings = drawn(6000, 100), {"epochs": 2, "dim": 32, "projection": 32}
    told = wb.forecast("grace", graph, "defaults", **settings)
    run = wb.fit("grace", graph, "defaults", device="cpu", progress=False, **settings)  # type: ignore[arg-type]
    assert told.peak_mib() == pytest.approx(run.peak_mib, rel=0.2)
    assert told.available_mib > told.peak_mib() and told.refusal() is None


@pytest.mark.parametrize("settings", [{}, {"negatives": "uniform"}, {"negatives": "uniform-each", "k": 16}])
def test_small_pieces_tell_every_allocation_of_the_whole(settings: dict[str, Any]) -> None:
    settings, graph = {"dim": 32, "projection": 48, "layers": 3, "epochs": 2, **settings}, drawn(3000)
    config = configure("grace", "defaults", "drawn", settings)[1]
    whole = tracing.trace("grace", config, graph)
    measured = tracing.Expected([whole, whole], 3000)  # two traces of one size carry nothing over
    carried = expected("grace", graph, **settings)
    assert max(carried.live()) == pytest.approx(max(measured.live()), rel=0.06)
    assert (carried.pairs > 0) == (not settings.get("negatives"))


@pytest.mark.parametrize("method", methods.names())
def test_more_nodes_take_more(method: str) -> None:
    peaks = [max(expected(method, drawn(nodes), **SMALL[method]).live()) for nodes in (700, 1500, 4000)]
    assert peaks == sorted(peaks) and peaks[0] < 0.8 * peaks[2]


def test_the_tiles_that_are_kept_are_counted_as_the_kernel_keeps_them() -> None:
    kept: list[torch.Tensor] = []

    def keep(one: torch.Tensor) -> torch.Tensor:
        kept.append(one)
        return one

    for rows in (600, 1500, 3000):
        kept.clear()
        z, ones = torch.randn(rows, 4, requires_grad=True), torch.ones(rows, 1)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one):
            SymmetricMass.apply(z, ones, ones, rows // 2, 1.0, 1.0, tracing.BUDGET_MIB)
        tiles = sum(one.numel() * 4 for one in kept if one.dim() == 2 and one.shape[1] > 4)
        assert tracing.kept_bytes(4.0 * rows**2) == pytest.approx(tiles, rel=0.15)
    assert tracing.kept_bytes(4.0 * 40_000**2) == 4 * 1024**2, "above the budget one tile is there at a time"


def test_forms_and_their_order() -> None:
    told = wb.forecast("grace", drawn(4000), "quick", dim=32, projection=32)
    rows = told.rows.set_index("form")
    assert list(rows.index) == ["dense", "streamed", "few negatives"]
    assert rows.loc["dense", "peak MiB"] > 4 * 4000**2 * 4 / 2**20 > rows.loc["streamed", "peak MiB"]
    assert (rows["epochs"] == told.config.epochs).all() and (rows["seconds per epoch"] > 0).all()
    assert str(told).count(" MiB") == 4 and "fits" in str(told)
    centres = wb.forecast("e2neg", drawn(700), "defaults", epochs=2, **SMALL["e2neg"])
    assert list(centres.rows["form"]) == ["streamed"] and "pairs of nodes" in centres.note
    chosen = wb.forecast("grace", drawn(700), "defaults", epochs=2, negatives="uniform", k=9, **SMALL["grace"])
    assert list(chosen.rows["form"]) == ["streamed"]


@pytest.mark.parametrize("method", methods.names())
def test_a_graph_smaller_than_a_piece(method: str, small_graph: Data) -> None:
    assert wb.forecast(method, small_graph, "defaults", epochs=1, **SMALL[method]).peak_mib() > 0


def test_a_fit_without_room_refuses_with_numbers_and_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_mib", lambda: 40.0)
    graph = drawn(3000)
    with pytest.raises(UserError) as refused:
        wb.fit("grace", graph, "defaults", device="cpu", progress=False, epochs=2, dim=32, k=20)
    sentence = str(refused.value)
    assert sentence.startswith("training grace on drawn needs about 1") and "40 MiB are available" in sentence
    assert "negatives='uniform', k=20 would need about" in sentence and "a smaller dim or projection" in sentence
    assert runs.table().empty
    told = wb.forecast("grace", graph, "defaults", epochs=2, dim=32, k=20)
    assert told.peak_mib("few negatives") < 0.8 * told.peak_mib() and "does not fit" in str(told)


def test_a_fit_with_room_is_untouched(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit() -> torch.Tensor:
        return wb.fit("grace", small_graph, "quick", device="cpu", fresh=True, progress=False, epochs=3).embeddings

    with monkeypatch.context() as patched:
        patched.setattr(module, "forecast", lambda *_, **__: pytest.fail("a small graph was forecast"))
        before = fit()
    monkeypatch.setattr(module, "rough_mib", lambda *_: 1e12)  # forecast all the same
    state = torch.get_rng_state()
    assert torch.equal(fit(), before) and torch.equal(torch.get_rng_state(), state)
    wb.forecast("grace", small_graph, "quick")
    assert torch.equal(torch.get_rng_state(), state)


def test_the_memory_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < module.available_mib() <= psutil.virtual_memory().total / 2**20
    group = tmp_path / "mine"
    group.mkdir()
    (group / "memory.max").write_text(f"{50 * 2**20}\n")
    (group / "memory.current").write_text(f"{20 * 2**20}\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "words").write_text("0::/mine\n")
    monkeypatch.setattr(module, "_GROUPS", (tmp_path, tmp_path / "words"))
    assert module.available_mib() == 30


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["forecast", "grace", "karate", "--preset", "quick", "-p", "epochs=3"]
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("grace on karate, 34 nodes, preset quick") and "streamed " in out and err == ""
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["forms"]) == {"dense", "streamed", "few negatives"} and told["available_mib"] > 0
    assert told["forms"]["streamed"]["epochs"] == 3 and told["forms"]["streamed"]["peak MiB"] > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("forecast gracee karate", "did you mean 'grace'?"),
        ("forecast grace karate -p epoch=3", "did you mean 'epochs'?"),
        ("forecast grace karate --epochs 3", "-p epochs="),
        ("forecast grace karate --device gpu", "unknown device 'gpu'"),
        ("forecast grace", "GRAPH"),
    ],
)
def test_wrong_words(capsys: pytest.CaptureFixture[str], words: str, told: str) -> None:
    assert cli.main(words.split()) == 2
    assert told in capsys.readouterr().err
