"""A command that is asked to end does so with one sentence, the exit code of the signal, and no worker left."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import workbench as wb
from workbench import endings
from workbench.cli import main

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def start(words: str, store: Path, **options: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "WORKBENCH_RUNS": str(store), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    heard: Any = {"preexec_fn": lambda: signal.signal(HUP, signal.SIG_DFL)}  # nohup would have it ignored
    return subprocess.Popen(
        [sys.executable, "-m", "workbench", *words.split()], env=environment, **pipes, **heard, **options
    )  # type: ignore[call-overload]


def until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def listens(process: "subprocess.Popen[str]") -> bool:
    """Return whether a process has a handler of its own for SIGTERM."""
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())
    return bool(caught and int(caught[1], 16) >> (TERM - 1) & 1)


def below(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def runs_of(words: str) -> Callable[[psutil.Process], bool]:
    return lambda process: words in " ".join(process.cmdline())


def ended(process: "subprocess.Popen[str]", number: int) -> str:
    """Send a signal and return what the command then said, held against what every command promises."""
    process.send_signal(number)
    _, told = process.communicate(timeout=120)
    said = [line for line in told.replace("\r", "\n").splitlines() if line.startswith("workbench:")]
    assert process.returncode == 128 + number and "Traceback" not in told, told
    assert len(said) == 1, told
    return said[0]


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@linux
@pytest.mark.parametrize("number", [INT, HUP])
def test_a_command_that_imports_ends_with_one_sentence(number: int, tmp_path: Path) -> None:
    process = start("fit grace karate -p epochs=100000 -p dim=8", tmp_path)
    until(lambda: listens(process))
    time.sleep(0.3)  # in the middle of torch, unless this machine is so busy that the training has begun
    told = ended(process, number)
    assert "interrupted; what was stored stays" in told or "goes on after epoch" in told
    assert "goes on after epoch" in told or not [*tmp_path.iterdir()]


@linux
@pytest.mark.parametrize("number", [TERM])
def test_a_training_that_is_ended_keeps_a_checkpoint(number: int, tmp_path: Path) -> None:
    process = start("fit grace karate -p epochs=100000 -p dim=8", tmp_path)
    assert process.stderr is not None
    until(lambda: "epoch" in os.read(process.stderr.fileno(), 4096).decode())  # type: ignore[union-attr]
    time.sleep(0.2)
    assert "the same command goes on" in ended(process, number)
    assert len([*tmp_path.glob(".*.checkpoint")]) == 1 and len([*tmp_path.iterdir()]) == 1


@linux
@pytest.mark.parametrize("number", [TERM, signal.SIGKILL])
def test_workers_end_with_their_parent(number: int, tmp_path: Path) -> None:
    words = "sweep grace --graphs karate --preset quick --seeds 2 --workers 2 -p epochs=100000"
    process = start(words, tmp_path)
    until(lambda: len([*tmp_path.glob(".*.lock")]) == 2)
    workers = below(process)
    if number == signal.SIGKILL:
        process.kill()
        process.communicate()
    else:
        assert "the same command goes on" in ended(process, number)
    until(lambda: not [one for one in workers if one.is_running() and one.status() != psutil.STATUS_ZOMBIE], 10)


@linux
def test_a_worker_that_is_killed_before_it_begins_fails_nothing(tmp_path: Path) -> None:
    words = "sweep grace --graphs karate --preset quick --seeds 2 --workers 1 -p epochs=2 --json"
    process = start(words, tmp_path)
    until(lambda: any(map(runs_of("popen_loky"), below(process))))
    next(filter(runs_of("popen_loky"), below(process))).kill()
    out, told = process.communicate(timeout=120)
    assert process.returncode == 0 and out.count('"trained"') == 2 and "Traceback" not in told, out + told


def test_a_library_that_makes_something_else_of_an_interruption_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def misled(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(TERM)
        except KeyboardInterrupt:
            raise ImportError("numpy could not be imported") from None

    before = {number: signal.getsignal(number) for number in endings.SIGNALS}
    monkeypatch.setattr("workbench.load_graph", misled)
    assert main(["fit", "grace", "karate"]) == 143
    assert capsys.readouterr().err.count("workbench:") == 1
    assert {number: signal.getsignal(number) for number in endings.SIGNALS} == before
    monkeypatch.undo()
    assert main(["fit", "grace", "nowhere"]) == 2, "an earlier signal counts no more"


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rows.csv"
    words = ["sweep", "grace", "--graphs", "karate", "--preset", "quick", "--seeds", "1", "--workers", "0"]
    words += ["-p", "epochs=1", "--out", str(file)]
    assert main(words) == 0
    before = file.read_text()

    def half(table: object, place: Path, **_: object) -> None:
        place.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr("pandas.DataFrame.to_csv", half)
    assert main(words) == 130
    assert file.read_text() == before and [*tmp_path.glob("*.csv*")] == [file] and not [*tmp_path.glob(".rows*")]


def test_a_sweep_takes_what_fit_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import networkx as nx
    import numpy as np

    graph = wb.load_graph("karate")
    (tmp_path / "my.graph").mkdir()
    np.save(tmp_path / "my.graph" / "x.npy", graph.x.numpy())
    np.save(tmp_path / "my.graph" / "edge_index.npy", graph.edge_index.numpy())
    nx.write_gml(nx.karate_club_graph(), tmp_path / "club.gml")
    monkeypatch.chdir(tmp_path)
    more = ["-p", "epochs=1", "-p", "batch_size=16"]
    for name in ("my.graph", "club.gml"):
        assert main(["fit", "grace", name, *more]) == 0
    assert main(["sweep", "grace", "--graphs", "my.graph", "club.gml", "--seeds", "1", "--workers", "0", *more]) == 0
    assert len(wb.runs.table()) == 2, "the sweep loads what fit has stored"


@pytest.mark.parametrize("number", [INT, TERM])
def test_a_command_that_is_ended_before_it_began_says_nothing(number: int) -> None:
    code = f"""
import signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "workbench.cli":
            signal.raise_signal({int(number)})
sys.meta_path.insert(0, Interrupting())
from workbench.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + number, "", "")
