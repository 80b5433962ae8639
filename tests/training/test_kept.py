"""What is stored is kept whole, what is damaged is set aside, and what a killed process left is found or removed."""

import json
import os
import shutil
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench import atomic
from workbench.cli import main
from workbench.errors import UserError
from workbench.evaluation.projection import project
from workbench.training import fit as fitting
from workbench.training import store as runs
from workbench.training import stored


def train(graph: Data, store: Path, **more: Any) -> wb.Run:
    return wb.fit("grace", graph, "small", **{"store": store, "progress": False, "epochs": 6, **more})


def dead() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left_by(process: int, path: Path) -> Path:
    """Return the draft that a process of this machine would have made of a path."""
    return path.with_name(atomic.draft_of(path).name.replace(f"-{os.getpid()}-", f"-{process}-"))


def facts_of(path: Path) -> dict[str, Any]:
    return json.loads((path / "run.json").read_text())


def change(path: Path, **facts: object) -> None:
    (path / "run.json").write_text(json.dumps(facts_of(path) | facts))


def flip(file: Path, place: int = -9) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def drop(file: Path, end: int) -> None:
    file.write_bytes(file.read_bytes()[:end])


DAMAGE: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "a byte": (lambda path, _: flip(path / "embeddings.safetensors"), "embeddings.safetensors was changed"),
    "weights": (lambda path, _: flip(path / "weights.safetensors"), "weights.safetensors was changed"),
    "learning rate": (lambda path, _: change(path, config=facts_of(path)["config"] | {"lr": 0.5}), "was changed after"),
    "resealed": (
        lambda path, _: (path / "run.json").write_text(
            json.dumps(atomic.sealed({k: v for k, v in facts_of(path).items() if k != "sha256"} | {"seed": 7}))
        ),
        "not of the request that its key stands for",
    ),
    "history": (lambda path, _: drop(path / "history.csv", -30), "history.csv has"),
    "interrupted": (lambda path, _: change(path, complete=False), "was changed after"),
    "no run.json": (lambda path, _: (path / "run.json").unlink(), "run.json is missing"),
    "half a run.json": (lambda path, _: drop(path / "run.json", 200), "it is no JSON"),
    "no tensors": (lambda path, _: (path / "tensors.safetensors").unlink(), "tensors.safetensors is missing"),
    "a strange file": (lambda path, _: (path / "names.json").write_text("{}"), "names.json is none of its files"),
    "another run": (
        lambda path, other: (shutil.rmtree(path), shutil.copytree(other, path)),
        "another run than its folder is called after",
    ),
    "nothing": (lambda path, _: [file.unlink() for file in path.iterdir()], "run.json is missing"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_run_is_named_set_aside_and_trained_anew(damage: str, small_graph: Data, tmp_path: Path) -> None:
    run, other = train(small_graph, tmp_path), train(small_graph, tmp_path, seed=1)
    do, told = DAMAGE[damage]
    do(run.path, other.path)
    with pytest.raises(UserError, match=told):
        runs.load(run.path)
    states = {row["folder"]: row["state"] for row in stored.rows(tmp_path)}
    assert told.split(" was changed")[0] in states[str(run.path)] and states[str(other.path)] is None
    files = sorted(run.path.iterdir())
    with pytest.warns(UserWarning, match=rf"{told}.* set aside as {run.path.name}.damaged"):
        again = train(small_graph, tmp_path)
    assert again.path == run.path and torch.equal(again.embeddings, run.embeddings) and runs.load(run.path).complete
    aside = run.path.with_name(f"{run.path.name}.damaged")
    assert sorted(file.name for file in aside.iterdir()) == [file.name for file in files], "it is kept as it was"
    by_folder = {row["folder"]: row for row in stored.rows(tmp_path)}
    assert by_folder[str(aside)]["method"] == "(damaged)" and "set aside" in by_folder[str(aside)]["state"]
    assert runs.find("grace/small", tmp_path) == run.path
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert train(small_graph, tmp_path).path == run.path


def test_a_change_that_keeps_the_time_of_a_file_is_found_where_it_is_read(small_graph: Data, tmp_path: Path) -> None:
    file = train(small_graph, tmp_path).path / "embeddings.safetensors"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    flip(file)
    os.utime(file, ns=times)
    assert [row["state"] for row in stored.rows(tmp_path)] == [None]
    assert "embeddings.safetensors was changed" in stored.rows(tmp_path, every_byte=True)[0]["state"]
    assert main(["runs", "--check", "--root", str(tmp_path)]) == 1
    with pytest.raises(UserError, match=r"embeddings.safetensors was changed.*sets it aside"):
        runs.load(file.parent)


def test_a_run_of_before_checksums_is_read_and_says_so(
    small_graph: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(small_graph, tmp_path)
    before = {name: value for name, value in facts_of(run.path).items() if name not in ("files", "key", "sha256")}
    (run.path / "run.json").write_text(json.dumps(before))
    known = train(small_graph, tmp_path)
    assert not known.checksums and run.checksums and "stored before there were any" in known._repr_html_()
    assert main(["runs", "--root", str(tmp_path)]) == 0 and "no checksums" in capsys.readouterr().out
    drop(run.path / "history.csv", -150)
    with pytest.raises(UserError, match=r"damaged: history.csv has \d epochs of 6"):
        runs.load(run.path)


def test_scores_and_maps_that_were_changed_are_made_again(labelled: Data, tmp_path: Path) -> None:
    run = train(labelled, tmp_path)
    scores = wb.evaluate(run, labelled, splits=2, progress=False)
    (file,) = (run.path / "scores").iterdir()
    kept = json.loads(file.read_text())
    for changed in (kept | {"accuracy": kept["accuracy"] | {"mean": 99.99}}, {**kept, "sha256": None}, [], {}):
        file.write_text(json.dumps(changed))
        assert not run.scores and stored.rows(tmp_path)[0]["accuracy"] == ""
        with pytest.warns(UserWarning, match="not usable and are computed again"):
            again = wb.evaluate(run, labelled, splits=2, progress=False)
        assert float(again.accuracy) == float(scores.accuracy) and len(run.scores) == 1
    drawn = project(run.embeddings, "pca", folder=run.path / "maps")
    (file,) = (run.path / "maps").glob("pca*")
    (nearest,) = (run.path / "maps").glob("nearest*")
    for damage in (lambda: flip(file, 300), lambda: drop(file, 400), lambda: shutil.copy(nearest, file)):
        damage()
        with pytest.warns(UserWarning, match="stored map .* is not usable"):
            again = project(run.embeddings, "pca", folder=run.path / "maps")
        assert (again.points == drawn.points).all() and again.trustworthiness == drawn.trustworthiness
    assert {*map(mode, run.path.rglob("*.*"))} == {0o666 & ~umask()}


def umask() -> int:
    now = os.umask(0o022)
    os.umask(now)
    return now


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_all_files_of_a_run_have_the_mode_of_the_umask(mask: int, small_graph: Data, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        train(small_graph, tmp_path, callback=lambda now: now.epoch < 3)
        (checkpoint,) = tmp_path.glob(".*.checkpoint")
        assert mode(checkpoint) == 0o666 & ~mask
        run = train(small_graph, tmp_path, snapshots=2)
    finally:
        os.umask(before)
    assert {*map(mode, run.path.iterdir())} == {0o666 & ~mask} and mode(run.path) == 0o777 & ~mask


@pytest.mark.parametrize("damage", ["a byte", "half", "nothing", "another training's"])
def test_a_checkpoint_is_held_against_the_request(damage: str, small_graph: Data, tmp_path: Path) -> None:
    whole = train(small_graph, tmp_path / "whole")
    train(small_graph, tmp_path, callback=lambda now: now.epoch < 3)
    (checkpoint,) = tmp_path.glob(".*.checkpoint")
    size = checkpoint.stat().st_size
    if damage == "another training's":
        train(small_graph, tmp_path / "b", lr=0.5, callback=lambda now: now.epoch < 3)
        shutil.copy(next((tmp_path / "b").glob(".*.checkpoint")), checkpoint)
    else:
        flip(checkpoint, size // 2) if damage == "a byte" else drop(checkpoint, size // 2 if damage == "half" else 0)
    epochs = []
    with pytest.warns(UserWarning, match="is damaged or another training's; it was set aside as grace_small"):
        run = train(small_graph, tmp_path, callback=lambda now: epochs.append(now.epoch))
    assert epochs == [1, 2, 3, 4, 5, 6] and torch.equal(run.embeddings, whole.embeddings)
    assert [file.name for file in tmp_path.glob("*.checkpoint.damaged")] and not list(tmp_path.glob(".*"))


def test_a_fresh_training_leaves_the_run_and_its_scores_until_the_new_one_is_whole(
    labelled: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(labelled, tmp_path)
    wb.evaluate(run, labelled, splits=2, progress=False)
    (run.path / "notes.txt").write_text("mine")

    def killed(*_: object) -> None:
        raise SystemExit  # as far as files go, what a kill leaves, but for the draft, which is put back below

    monkeypatch.setattr(atomic, "exchange", killed)
    monkeypatch.setattr(atomic, "remove", lambda path: None)
    with pytest.raises(SystemExit):
        train(labelled, tmp_path, fresh=True)
    monkeypatch.undo()
    assert len(runs.load(run.path).scores) == 1
    (draft,) = tmp_path.glob(f".{run.path.name}.*.part")
    draft.rename(left := left_by(dead(), run.path))
    next(tmp_path.glob(".trial*")).unlink()
    assert [row["state"] for row in stored.rows(tmp_path)] == [None] and not left.exists()
    found = runs.load(run.path)
    assert len(found.scores) == 1 and (run.path / "notes.txt").read_text() == "mine"
    fresh = train(labelled, tmp_path, fresh=True)
    assert len(fresh.scores) == 1 and (run.path / "notes.txt").exists() and not list(tmp_path.glob(".*"))


def test_folders_change_places_where_the_system_has_no_one_step(
    small_graph: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(small_graph, tmp_path)
    monkeypatch.setattr(sys, "platform", "other")
    shutil.copytree(run.path, draft := left_by(dead(), run.path))
    (draft / "new").touch()
    atomic.exchange(draft, run.path)
    assert (run.path / "new").exists() and not (draft / "new").exists() and len(list(tmp_path.glob("*/run.json"))) == 2


def test_a_whole_draft_is_picked_up_and_a_dead_one_removed(small_graph: Data, tmp_path: Path) -> None:
    run, other = train(small_graph, tmp_path), train(small_graph, tmp_path, seed=1)
    run.path.rename(left_by(dead(), run.path))
    half, living = left_by(dead(), other.path), left_by(os.getppid(), other.path)
    for draft in (half, living):
        shutil.copytree(other.path, draft)
        (draft / "run.json").unlink()
    far = tmp_path / f".{other.path.name}.00000000-1-00000000.part"
    far.mkdir()
    lost = [tmp_path / ".one.lock", left_by(dead(), tmp_path / f".{run.path.name}.checkpoint")]
    for file in lost:
        file.touch()
    found = fitting.fit("grace", small_graph, "small", store=tmp_path, progress=False, epochs=6)
    assert found.path == run.path and torch.equal(found.embeddings, run.embeddings)
    train(small_graph, tmp_path, seed=2)
    assert not half.exists() and living.exists() and far.exists() and not any(file.exists() for file in lost)
    os.utime(far, (time.time() - 2 * atomic.FOREIGN_SECONDS,) * 2)
    assert len(stored.rows(tmp_path)) == 3 and not far.exists()


def test_a_checkpoint_goes_with_its_run_and_stays_where_it_is_of_use(small_graph: Data, tmp_path: Path) -> None:
    train(small_graph, tmp_path, callback=lambda now: now.epoch < 3)
    (checkpoint,) = tmp_path.glob(".*.checkpoint")
    stored.tidy(tmp_path)
    content = checkpoint.read_bytes()
    run = train(small_graph, tmp_path)
    checkpoint.write_bytes(content)
    stored.tidy(tmp_path)
    assert checkpoint.exists(), "a training of this moment, for snapshots"
    os.utime(checkpoint, (0, 0))
    stored.tidy(tmp_path)
    assert not checkpoint.exists() and run.path.exists()


def refuse(_: Path, mebibytes: int = 1) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("store", ["a file", "full"])
def test_a_store_that_cant_be_written_is_told_before_the_first_epoch(
    store: str, small_graph: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").touch() if store == "a file" else monkeypatch.setattr(atomic, "check_writable", refuse)
    epochs = []
    with pytest.raises(UserError, match=r"no run can be stored in .*runs: (File exists|No space left)") as told:
        train(small_graph, tmp_path / "runs", callback=lambda now: epochs.append(now.epoch))
    assert not epochs and "\n" not in str(told.value)


def test_what_can_be_read_needs_no_store_that_can_be_written(
    small_graph: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(small_graph, tmp_path)
    monkeypatch.setattr(atomic, "check_writable", refuse)
    monkeypatch.setenv("WORKBENCH_HEADLESS", "1")
    monkeypatch.setattr(fitting, "FileLock", refuse)
    assert train(small_graph, tmp_path).path == run.path


def test_a_run_that_cant_be_stored_stays_in_memory(
    small_graph: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(small_graph, tmp_path / "whole")
    monkeypatch.setattr(runs, "save_file", refuse)
    with pytest.warns(UserWarning, match=r"could not be stored .*No space left on device; .*runs.save\(run, FOLDER\)"):
        run = train(small_graph, tmp_path / "full")
    assert run.complete and run.path is None and torch.equal(run.embeddings, whole.embeddings)
    assert not [*(tmp_path / "full").iterdir()]
    monkeypatch.undo()
    kept = runs.save(run, tmp_path / "elsewhere")
    assert kept.path.parent == tmp_path / "elsewhere" and torch.equal(runs.load(kept.path).embeddings, whole.embeddings)
    with pytest.raises(UserError, match="interrupted after 2 epochs; the same fit goes on"):
        runs.save(train(small_graph, tmp_path / "b", callback=lambda now: now.epoch < 2))


def test_a_checkpoint_that_cant_be_written_is_told_and_training_goes_on(
    small_graph: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.training.loop.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(torch, "save", refuse)
    with pytest.warns(UserWarning, match="no checkpoint could be written .*No space left"):
        run = train(small_graph, tmp_path)
    assert run.complete and run.path
    with pytest.warns(UserWarning, match="no checkpoint could be written"):
        part = train(small_graph, tmp_path, seed=1, callback=lambda now: now.epoch < 3)
    assert part.checkpoint is None and not list(tmp_path.glob(".*"))
    monkeypatch.undo()
    part = train(small_graph, tmp_path, seed=1, callback=lambda now: now.epoch < 3)
    assert part.checkpoint and part.checkpoint.exists()


def test_the_command_keeps_elsewhere_what_the_store_has_no_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save, calls = runs.save_file, []

    def full_once(tensors: dict[str, torch.Tensor], file: Path) -> None:
        calls.append(file)
        refuse(file) if len(calls) == 1 else save(tensors, file)

    monkeypatch.setattr(runs, "save_file", full_once)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "elsewhere"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "elsewhere").mkdir()
    assert main(["fit", "grace", "karate", "-p", "epochs=2"]) == 1
    told = capsys.readouterr().err
    assert "could not be stored" in told and "No space left" in told and "was stored in" in told
    (kept,) = (tmp_path / "elsewhere").glob("workbench-runs-*/grace_karate_*")
    assert runs.load(kept).epochs == 2


def test_what_is_no_file_is_written_as_it_is_and_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (link := tmp_path / "link.csv").symlink_to(tmp_path / "there" / "rows.csv")
    with atomic.whole(link) as draft:
        draft.write_text("new")
    assert link.is_symlink() and (tmp_path / "there" / "rows.csv").read_text() == "new"
    with atomic.whole(Path(os.devnull)) as place:
        assert place == Path(os.devnull)


def test_what_takes_its_place_is_on_the_disk_before_and_its_name_after(
    small_graph: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[tuple[str, bool]] = []
    before = atomic.onto_disk

    def noted(*paths: Path) -> None:
        forced.extend((path.name, any(tmp_path.glob("grace*"))) for path in paths)
        before(*paths)

    monkeypatch.setattr(atomic, "onto_disk", noted)
    run = wb.fit("grace", small_graph, "small", epochs=1, progress=False, store=tmp_path)
    assert {(file.name, False) for file in run.path.iterdir()} < {*forced} and forced[-1] == (tmp_path.name, True)
