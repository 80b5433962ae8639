"""Every notebook: clean as committed, executed headless on the embedded graph, some on Cora too, shown by its page."""

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from browser import CHROMIUM, chromium, faults
from torch_geometric.data import Data

import workbench as wb
from workbench.pages import gallery
from workbench.pages.notebooks import FIGURE, execute, files, find, names, parameters

# What the heart's methods are claimed to do on a real graph. `workbench notebooks 10_grace -p graph=cora` asks another.
CORA = ("00_tour",)


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One store for all notebooks of a test run, so that a run that two of them need is trained once."""
    base = tmp_path_factory.getbasetemp()
    return (base if worker_id == "master" else base.parent) / "notebook-runs"


@pytest.mark.parametrize("name", names())
def test_a_notebook_is_committed_clean(name: str) -> None:
    book = nbformat.read(find(name), as_version=4)
    assert book.metadata.kernelspec.name == "python3" and len(book.cells) <= 25
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert "parameters" in code[0].metadata.tags and re.search(r"\bclaim\(", code[-1].source)
    assert any(re.search(r"\bwb\.claim\b", cell.source) for cell in code)
    assert all(len(cell.source.splitlines()) <= 25 for cell in code)
    assert {"graph", "seed", "preset"} <= set(parameters(name))


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "graph"),
    [
        *((name, None if "/" in place else "pydocs") for name, place in files().items()),
        *((name, "cora") for name in CORA),
    ],
)
def test_a_notebook_runs_headless_and_its_claims_hold(
    name: str,
    graph: str | None,  # None: its own, the smallest of its kind
    tmp_path: Path,
    shared_store: Path,
    real_graph: Callable[[str], Data],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real_graph(graph or parameters(name)["graph"])
    monkeypatch.setenv("WORKBENCH_RUNS", str(shared_store))
    outcome = execute(name, {"graph": graph} if graph else {}, tmp_path, html=False)
    assert outcome.error is None, f"cell {outcome.failed_cell}: {outcome.error}"
    executed = nbformat.read(outcome.path, as_version=4)
    figures = sum(FIGURE in output.get("data", {}) for cell in executed.cells for output in cell.get("outputs", []))
    assert figures >= 2
    claims = [output.data["text/plain"] for output in executed.cells[-1].outputs if "data" in output]
    assert len(claims) >= 2 and all(re.fullmatch(r"✓ [^\n]{15,}\.", claim) for claim in claims), claims
    assert any(re.search(r": .*\d", claim) for claim in claims)  # with which numbers
    monkeypatch.setattr(gallery, "_draw", lambda cards, folder: "")  # pictures of cards are looked at in test_gallery
    gallery.build([outcome], tmp_path / "gallery")
    if CHROMIUM is None:
        pytest.skip("it ran and its claims hold, but there is no Chromium to look at its page with")
    with chromium() as started:  # on a phone, then turned into a wide window
        assert faults(started, tmp_path / "gallery" / f"{name}.html", (390, 1280), figures) == []


def test_a_claim_made_of_other_data_is_told_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    wb.claim("It rains", True, "3 mm", asserted=False)
    wb.claim("It rains", False, "0 mm", asserted=False)
    said = capsys.readouterr().out
    assert "✓ It rains: 3 mm." in said and "✗ not on these data, of which it was not claimed: It rains: 0 mm." in said
    with pytest.raises(AssertionError, match="this claim does not hold: It rains: 0 mm"):
        wb.claim("It rains", False, "0 mm")
