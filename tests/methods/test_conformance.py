"""What holds of every method that is registered, on small data of its kind, by its preset "small"."""

import inspect
import signal
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch_geometric.data import Data

import workbench as wb
from workbench import methods
from workbench.datasets.kinds import KINDS
from workbench.errors import UserError
from workbench.methods import METHODS
from workbench.training import store as runs

NAMES = methods.names()
EACH_KIND = [(name, kind) for name in NAMES for kind in methods.get(name).kinds]
EPOCHS = 6


def train(method: str, data: Any, store: Path, epochs: int = EPOCHS, seed: int = 0, **more: object) -> wb.Run:
    return wb.fit(method, data, "small", seed, store=store, progress=False, epochs=epochs, **more)  # type: ignore[arg-type]


def rows(embeddings: Any) -> torch.Tensor:
    """Return embeddings as one matrix, those of several items below each other."""
    return torch.cat(list(embeddings.values())) if isinstance(embeddings, dict) else embeddings


@pytest.mark.parametrize(("method", "kind"), EACH_KIND)
def test_the_same_seed_gives_the_same_bits_and_targets_never_reach_a_method(
    method: str, kind: str, small_data: Any, poisoned: Any, tmp_path: Path
) -> None:
    data = small_data(method, kind)
    run = train(method, data, tmp_path / "first")
    assert run.kind == kind
    sizes = KINDS.get(kind)().sizes(data)
    assert rows(run.embeddings).shape[0] == sum(sizes[item] for item in KINDS.get(kind).items)
    assert rows(run.embeddings).dtype == torch.float32 and rows(run.embeddings).isfinite().all()
    assert len(run.history) == EPOCHS and run.history.notna().all().all()
    again = train(method, poisoned(method, kind), tmp_path / "second")
    assert torch.equal(rows(run.embeddings), rows(again.embeddings))
    pd.testing.assert_frame_equal(run.history.drop(columns="seconds"), again.history.drop(columns="seconds"))
    assert not torch.equal(rows(run.embeddings), rows(train(method, data, tmp_path, seed=1).embeddings))
    assert not torch.equal(rows(run.embeddings), rows(train(method, data, tmp_path, epochs=0).embeddings))


@pytest.mark.parametrize(("method", "kind"), EACH_KIND)
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(
    method: str, kind: str, small_data: Any, tmp_path: Path
) -> None:
    data = small_data(method, kind)
    whole = train(method, data, tmp_path / "a")
    part = train(method, data, tmp_path / "b", callback=lambda told: told.epoch < 3)
    assert not part.complete and part.epochs == 3 and part.path is None
    assert runs.table(tmp_path / "b").empty
    resumed = train(method, data, tmp_path / "b")
    assert resumed.complete and torch.equal(rows(resumed.embeddings), rows(whole.embeddings))
    pd.testing.assert_frame_equal(resumed.history.drop(columns="seconds"), whole.history.drop(columns="seconds"))
    assert not list((tmp_path / "b").glob(".*")), "the checkpoint is gone once the run is stored"


@pytest.mark.parametrize("method", NAMES)
def test_snapshots_are_the_embeddings_on_the_way_and_change_no_bit(
    method: str, small_data: Any, tmp_path: Path
) -> None:
    data, seen = small_data(method), {}
    plain = train(method, data, tmp_path / "a", callback=lambda told: seen.update({told.epoch: told.embed()}))
    kept = train(method, data, tmp_path / "b", snapshots=4)
    assert torch.equal(rows(kept.embeddings), rows(plain.embeddings)) and list(kept.snapshots) == [0, 2, 4, 6]
    seen[0] = train(method, data, tmp_path / "a", epochs=0).embeddings
    for epoch, snapshot in kept.snapshots.items():
        torch.testing.assert_close(snapshot, torch.nn.functional.normalize(rows(seen[epoch])).half())
    for epoch, snapshot in runs.load(kept.path).snapshots.items():
        assert torch.equal(snapshot, kept.snapshots[epoch])


@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize("presses", [1, 2])
def test_an_interruption_within_an_epoch_keeps_the_bits(
    method: str, presses: int, small_data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, calls, at, ends = small_data(method), list[int](), 0, dict[int, int]()
    kind, step = methods.get(method), methods.get(method).step

    def interrupted(self: methods.Method, batch: object) -> methods.Step:
        result = step(self, batch)
        calls.append(1)
        if len(calls) == at:
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
        return result

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(kind, "step", interrupted)
    whole = train(method, data, tmp_path / "a", callback=lambda told: ends.update({told.epoch: len(calls)}))
    at = len(calls) + ends[3] + 1
    part = train(method, data, tmp_path / "b")
    # One press lets the fourth epoch end; two leave it torn, and the same request starts from the last checkpoint.
    assert part.epochs == (4 if presses == 1 else 3) and not part.complete
    assert signal.getsignal(signal.SIGINT) == before
    assert torch.equal(rows(train(method, data, tmp_path / "b").embeddings), rows(whole.embeddings))


@pytest.mark.parametrize(("method", "kind"), EACH_KIND)
def test_a_stored_run_is_the_run_and_its_encoder_gives_its_embeddings(
    method: str, kind: str, small_data: Any, tmp_path: Path
) -> None:
    data = small_data(method, kind)
    run = train(method, data, tmp_path)
    stored = runs.load(run.path)
    assert torch.equal(rows(stored.embeddings), rows(run.embeddings)) and stored.config == run.config
    assert stored.kind == run.kind and stored.shape == run.shape and stored.preset == run.preset
    weights = load_file(run.path / "weights.safetensors")
    assert weights.keys() == run.weights.keys() and all(torch.equal(weights[k], run.weights[k]) for k in weights)
    if methods.get(method).make_encoder(run.config, run.shape) is None:
        with pytest.raises(UserError, match=f"{method}.* keeps no encoder, so other data can't be embedded"):
            stored.encode(data)
        assert not {"encoder.py", "encoder.pt"} & {file.name for file in stored.export(tmp_path / "out")}
        return
    torch.testing.assert_close(rows(stored.encode(data)), rows(run.embeddings), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
@pytest.mark.parametrize("method", NAMES)
def test_the_same_code_runs_on_each_device(method: str, device: str, small_data: Any, tmp_path: Path) -> None:
    reference = train(method, small_data(method), tmp_path / "a", device="cpu")
    found = train(method, small_data(method), tmp_path / "b", device=device)
    torch.testing.assert_close(rows(found.embeddings), rows(reference.embeddings), rtol=1e-3, atol=1e-4)
    assert found.device.startswith(device)


@pytest.mark.parametrize("method", NAMES)
def test_another_kind_of_data_is_refused_in_a_sentence(method: str, small_data: Any) -> None:
    wrong: Any = [Data()] if "arrays" in methods.get(method).kinds else torch.randn(20, 5)
    with pytest.raises(UserError, match=rf"method '{method}' learns on .*; this is "):
        wb.fit(method, wrong, "small", progress=False)


ONE_ROW = "standardises columns over nodes .* needs at least 2 of them; there is 1"
NO_WALK = "a walk needs an edge between two nodes"
NO_NEIGHBOUR = "no two nodes of this graph have an edge"
REFUSED = {
    "one node": {
        "adapt": "the labels that it may see are of one class",
        "bgrl": ONE_ROW,
        "node-pixpro": ONE_ROW,
        "deepwalk": NO_WALK,
        "e2neg": "k=6 centres were asked for; the graph has 1 nodes",
        **dict.fromkeys(("few-negatives", "few-rules"), ONE_ROW),
        "gbt": ONE_ROW,
        "graphmae": "mask=0.5 hides none of 1 nodes",
        "homogcl": "4 centres of clusters were asked for; 1 nodes give 1 to 1",
        "local-gcl": NO_NEIGHBOUR,
        "node2vec": NO_WALK,
        "paretognn": "predicts links, and this graph has none",
        **dict.fromkeys(("pamc", "scgc", "scgc-star"), "3 centres of clusters were asked for; 1 nodes give 1 to 1"),
        "str-gcl": "needs at least 2; the graph has 1",
        "swav": ONE_ROW,
    },
    "no edges": {
        "deepwalk": NO_WALK,
        "e2neg": "no centre has a neighbour",
        "local-gcl": NO_NEIGHBOUR,
        "node2vec": NO_WALK,
        "paretognn": "predicts links, and this graph has none",
    },
    "one class": {"adapt": "the labels that it may see are of one class"},
    "no attributes": dict.fromkeys(NAMES, "the graph has no attributes"),
}


def unusual(case: str, graph: Data) -> Data:
    """Return a graph that a method may not expect."""
    none, source, target = torch.empty(2, 0, dtype=torch.long), *graph.edge_index
    changes: dict[str, dict[str, Any]] = {
        "one node": {"x": graph.x[:1], "edge_index": none, "y": graph.y[:1], "num_nodes": 1},
        "no edges": {"edge_index": none},
        "no attributes": {"x": None},
        "one class": {"y": torch.zeros_like(graph.y)},
        "directed": {"edge_index": graph.edge_index[:, source < target]},
    }
    kept = {"x": graph.x, "edge_index": graph.edge_index, "y": graph.y, "num_nodes": graph.num_nodes}
    return Data(**kept | changes[case], name="unusual")


@pytest.mark.parametrize("case", ["one node", "no edges", "no attributes", "one class", "directed"])
@pytest.mark.parametrize("method", methods.names("nodes"))
def test_an_unusual_graph_is_embedded_or_refused_in_a_sentence(
    method: str, case: str, small_graph: Data, tmp_path: Path
) -> None:
    graph, told = unusual(case, small_graph), REFUSED.get(case, {}).get(method)
    if told:
        with pytest.raises(UserError, match=told):
            train(method, graph, tmp_path, epochs=2)
        return
    run = train(method, graph, tmp_path, epochs=2)
    assert run.embeddings.shape[0] == graph.num_nodes and run.embeddings.isfinite().all()
    assert run.history.notna().all().all()


@pytest.mark.parametrize("method", NAMES)
def test_the_file_beside_a_method_says_what_it_must(method: str) -> None:
    for preset in methods.presets(method):
        assert methods.configure(method, preset, "cora", {})[0] == preset
    file = Path(inspect.getfile(methods.get(method))).with_suffix(".toml")
    assert {"quick", "small"} <= set(tomllib.loads(file.read_text(encoding="utf-8")))
    source = Path(inspect.getfile(methods.get(method))).read_text(encoding="utf-8")
    assert source.startswith('"""') and METHODS.get(method).__doc__
