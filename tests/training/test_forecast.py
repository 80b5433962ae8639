"""The forecast: against measured fits, what it grows with, the refusal, the memory that is left, the command."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench import cli, methods
from workbench.contrast.negatives.selection import SAMPLERS, SHARED
from workbench.errors import UserError
from workbench.training import machine, memory

FITS: list[tuple[str, int, dict[str, Any]]] = [
    ("grace", 6000, {"dim": 32, "projection": 32}),
    ("grace", 10_000, {"negatives": "uniform"}),
    ("grace", 4000, {"negatives": "uniform-each"}),
    ("str-gcl", 2500, {}),
    ("e2neg", 6000, {"k": 20}),
]
FIT = """
import json, sys, torch, workbench as wb
torch.set_num_threads(1)
from torch_geometric.data import Data
graph = Data(**torch.load(sys.argv[1] + "/graph.pt"), name="drawn")
method, settings = json.loads(sys.argv[2])
kept = {"device": "cpu", "progress": False, "store": sys.argv[1] + "/runs", "epochs": 1}
print(wb.fit(method, graph, "defaults", **kept, **settings).peak_mib)
"""


def drawn(nodes: int, features: int = 100) -> Data:
    """Return a graph of random edges, ten a node, and sparse attributes."""
    g = torch.Generator().manual_seed(nodes)
    source, target = torch.randint(nodes, (2, 5 * nodes), generator=g)
    x = (torch.rand(nodes, features, generator=g) < 0.05).float()
    edges = torch.stack([torch.cat([source, target]), torch.cat([target, source])])
    return Data(x=x, edge_index=edges, num_nodes=nodes, name="drawn")


def test_the_peak_is_that_of_a_fit(tmp_path: Path) -> None:
    # A process that has trained before takes again what it has freed, which hides a part of the peak: one a fit.
    started = []
    for number, (method, nodes, settings) in enumerate(FITS):
        graph = drawn(nodes)
        place = tmp_path / str(number)
        place.mkdir()
        torch.save({"x": graph.x, "edge_index": graph.edge_index}, place / "graph.pt")
        words = [sys.executable, "-c", FIT, str(place), json.dumps([method, settings])]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
    ratios = {}
    for (method, nodes, settings), process in zip(FITS, started, strict=True):
        measured = float(process.communicate()[0].split()[-1])
        expected = wb.forecast(method, drawn(nodes), "defaults", epochs=1, **settings).peak_mib
        ratios[f"{method} {settings}"] = expected / measured
    assert all(1 / 1.5 < ratio < 1.5 for ratio in ratios.values()), ratios


@pytest.mark.parametrize("method", methods.names("nodes"))
def test_more_nodes_and_a_wider_embedding_take_more(method: str) -> None:
    peaks = [wb.forecast(method, drawn(nodes), "defaults").peak_mib for nodes in (700, 1500, 4000)]
    assert peaks[0] < peaks[1] < peaks[2]
    wider = [wb.forecast(method, drawn(700), "defaults", dim=dim).peak_mib for dim in (16, 64, 512)]
    assert wider[0] < wider[1] < wider[2]


def test_samplers_of_one_list_are_known(small_graph: Data) -> None:
    shared = {name for name in SAMPLERS.names() if name != "all" and wb.negatives.select(name, small_graph, 4).shared}
    assert shared == SHARED


def test_a_fit_without_room_is_refused_with_numbers_and_what_needs_less(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "available_mib", lambda: 40.0)
    graph, words = drawn(3000), {"epochs": 2, "dim": 32}
    needed, fewer = (
        f"{wb.forecast('grace', graph, 'defaults', negatives=name, **words).peak_mib:,.0f} MiB"
        for name in ("all", "uniform")
    )
    batched = wb.forecast("grace", graph, "defaults", batch_size=1024, **words).peak_mib
    with pytest.raises(UserError) as refused:
        wb.fit("grace", graph, "defaults", device="cpu", progress=False, store=tmp_path / "none", **words)
    assert str(refused.value) == (
        f"training grace needs about {needed} and 40 MiB are available; negatives='uniform' needs about {fewer}, "
        f"and batch_size=1024 needs about {batched:,.0f} MiB, and a smaller dim or smaller data need less"
    )
    assert needed != fewer and not (tmp_path / "none").exists()


@pytest.mark.parametrize("told", [True, False], ids=["by the system", "by looking"])
def test_the_peak_is_what_was_held_at_once(told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not told:
        monkeypatch.setattr(machine, "_PROCESS", tmp_path / "none")
    with machine.peak_memory(torch.device("cpu")) as peak:
        for mib in (20, 200, 40):
            held = torch.ones(mib, 2**18)
            time.sleep(0 if told else 0.3)  # the first way misses nothing
            del held
        assert 195 < peak() < 240
    with pytest.raises(OSError, match="mine"), machine.peak_memory(torch.device("cpu")):
        raise OSError("mine")


def test_the_memory_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < machine.available_mib() <= psutil.virtual_memory().total / 2**20
    group = tmp_path / "mine"
    group.mkdir()
    (group / "memory.max").write_text(f"{50 * 2**20}\n")
    (group / "memory.current").write_text(f"{20 * 2**20}\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "words").write_text("0::/mine\n")
    monkeypatch.setattr(machine, "_GROUPS", (tmp_path, tmp_path / "words"))
    assert machine.available_mib() == 30


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["forecast", "grace", "karate", "--preset", "quick", "-p", "epochs=3"]
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("training grace on karate, preset quick") and err == ""
    assert cli.main([*words, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"method", "graph", "preset", "peak_mib", "available_mib"} and shown["peak_mib"] > 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("forecast gracee karate", "did you mean 'grace'?"),
        ("forecast grace karate -p epoch=3", "did you mean 'epochs'?"),
        ("forecast grace", "GRAPH"),
    ],
)
def test_wrong_words(capsys: pytest.CaptureFixture[str], words: str, sentence: str) -> None:
    assert cli.main(words.split()) == 2
    assert sentence in capsys.readouterr().err
