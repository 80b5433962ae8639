"""Kill -9 at random moments, and what is left then: `make torture`, or TORTURE=1000 make torture.

Every kind of work is done once undisturbed, for the bits that it must end with and the time that it takes. Then it is
begun again and again and killed on the way; each time the store is held against what was there before, the same work is
done to its end, and its bits are compared. Work is done in forks of this process, which has torch loaded already.
"""

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import psutil
import torch

import workbench as wb
from workbench.cli import main
from workbench.evaluation.projection import project
from workbench.training import loop, stored

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
MARK = "WORKBENCH_TORTURE"  # in the environment of all that is started here, by which it is found
PATIENCE = 20.0  # seconds in which what was killed must have taken its workers with it
NOTEBOOK = """import workbench as wb
run = wb.fit("grace", wb.load_graph("karate"), "quick", seed=5, epochs=150, progress=False)"""


class Place(NamedTuple):
    """Where one kind of work is done."""

    store: Path
    out: Path


def train(data: Any, place: Place, **more: Any) -> wb.Run:
    loop.CHECKPOINT_SECONDS = 0.02
    return wb.fit("grace", data, "quick", store=place.store, progress=False, **{"epochs": 150, **more})


def training(graphs: dict[str, Any], place: Place) -> None:
    train(graphs["karate"], place, snapshots=3)
    train(graphs["pydocs"], place, seed=1, epochs=4, dim=16)


def writing(graphs: dict[str, Any], place: Place) -> None:
    for _ in range(10):
        train(graphs["karate"], place, fresh=True, epochs=2, snapshots=2)


def scoring(graphs: dict[str, Any], place: Place) -> None:
    run = train(graphs["pydocs"], place, epochs=2, dim=16)
    for seed in range(3):
        wb.evaluate(run, graphs["pydocs"], splits=2, seed=seed, fresh=True, progress=False)
        project(run.embeddings, "pca", seed, folder=run.path and run.path / "maps")


def exporting(graphs: dict[str, Any], place: Place) -> None:
    run = train(graphs["karate"], place, epochs=3)
    for _ in range(4):
        run.export(place.out)


def study(graphs: dict[str, Any], place: Place) -> None:
    words = ["study", "run", "placebo", "pydocs", "--seeds", "1", "-p", "epochs=3", "-p", "splits=2"]
    if main([*words, "--out", str(place.out / "rows.csv")]):
        raise SystemExit(1)


def sweep(graphs: dict[str, Any], place: Place) -> None:
    words = ["sweep", "grace", "--graphs", "karate", "--preset", "quick", "--seeds", "3", "--workers", "2"]
    if main([*words, "-p", "epochs=60", "--out", str(place.out / "rows.csv")]):
        raise SystemExit(1)


def notebook(graphs: dict[str, Any], place: Place) -> None:
    file = place.out / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)]), file)
    if main(["notebooks", str(file), "--out-dir", str(place.out / "executed"), "--no-html"]):
        raise SystemExit(1)


# Kinds with their share of the kills; the last two start processes of their own, which takes seconds.
KINDS = {training: 31, writing: 31, scoring: 17, exporting: 13, study: 4, sweep: 2, notebook: 2}


def started(work: Callable[[dict[str, Any], Place], None], graphs: dict[str, Any], place: Place, mark: str) -> int:
    """Begin work in a fork and return its process number."""
    sys.stdout.flush()
    if number := os.fork():
        return number
    code = 1
    try:
        os.environ |= {MARK: mark, "WORKBENCH_RUNS": str(place.store)}
        nowhere = os.open(place.store.parent / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        place.store.mkdir(exist_ok=True)
        place.out.mkdir(exist_ok=True)
        work(graphs, place)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def finish(work: Callable[[dict[str, Any], Place], None], graphs: dict[str, Any], place: Place, mark: str) -> float:
    """Do work to its end and return its seconds."""
    began = time.perf_counter()
    _, status = os.waitpid(started(work, graphs, place, mark), 0)
    if status:
        raise SystemExit(f"{work.__name__} failed: {(place.store.parent / 'said.txt').read_text()[-3000:]}")
    return time.perf_counter() - began


def bits(place: Place) -> dict[str, str]:
    """Return by run, and by file that was written for others, what must not change."""
    found = {}
    for row in stored.rows(place.store, every_byte=True):
        path = Path(row["folder"])
        with contextlib.suppress(stored.Damaged):
            facts = stored.read(path)
            losses = [f"{loss:.9g}" for loss in stored.losses(path, 10_000)]
            parts = [facts["files"].get(part, ["", ""])[1] for part in stored.PARTS[:4]]
            found[path.name] = hashlib.sha256(json.dumps([parts, losses]).encode()).hexdigest()
    for file in sorted(place.out.glob("*")) if place.out.is_dir() else []:
        if file.name == "rows.csv":
            found[file.name] = str(len(file.read_text().splitlines()))
        elif file.is_file() and file.suffix in (".csv", ".txt", ".parquet", ".py", ".tsv"):
            found[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def scored(place: Place) -> dict[str, float]:
    """Return the accuracies beside the runs that hold against their checksums."""
    kept = {}
    for row in stored.rows(place.store):
        with contextlib.suppress(wb.UserError):
            for name, score in wb.runs.load(row["folder"]).scores.items():
                kept[f"{row['folder']}/{name}".removeprefix(str(place.store))] = score["accuracy"]["mean"]
    return kept


def alive(mark: str) -> list[psutil.Process]:
    """Return the processes that were started with a mark and have not ended."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def left_alive(mark: str) -> list[psutil.Process]:
    """Return what still runs after a time in which all must have ended, and end it."""
    end = time.monotonic() + PATIENCE
    while (left := alive(mark)) and time.monotonic() < end:
        time.sleep(0.2)
    for process in left:
        process.kill()
    return left


def hidden(place: Place) -> list[str]:
    """Return the drafts, checkpoints and locks in a place, and what was set aside."""
    files = [file for folder in place if folder.is_dir() for file in folder.rglob("*")]
    return [file.name for file in files if file.name.startswith(".") or stored.ASIDE in file.name]


def torture(kills: int, seed: int = 0, kinds: dict[Callable[..., None], int] | None = None) -> dict[str, Any]:
    """Kill work so many times and return the figures: kills by kind, losses and leftovers, each with its reasons."""
    torch.set_num_threads(1)
    chance, graphs = random.Random(seed), {name: wb.load_graph(name) for name in ("karate", "pydocs")}
    kinds, losses, leftovers, done, resumed = kinds or KINDS, list[str](), list[str](), Counter[str](), 0
    mark = uuid.uuid4().hex
    began, root = time.perf_counter(), Path(tempfile.mkdtemp(prefix="torture-"))
    wanted = {work: [] for work in kinds}  # type: dict[Callable[..., None], Any]
    for work in kinds:
        place = Place(root / work.__name__ / "undisturbed", root / work.__name__ / "undisturbed-out")
        place.store.parent.mkdir()
        seconds = finish(work, graphs, place, mark)
        wanted[work] = (place, seconds, finish(work, graphs, place, mark), bits(place), {*scored(place).items()})
    order = [work for work, share in kinds.items() for _ in range(max(1, round(kills * share / sum(kinds.values()))))]
    chance.shuffle(order)
    for number, work in enumerate((order * 2)[:kills]):
        undisturbed, seconds, seconds_again, all_bits, all_scores = wanted[work]
        place = Place(root / work.__name__ / f"{number}", root / work.__name__ / f"{number}-out")
        if number % 3 == 0:  # on a store in which all of it is finished already
            shutil.copytree(undisturbed.store, place.store)
            shutil.copytree(undisturbed.out, place.out)
            seconds = seconds_again
        while True:
            before = bits(place) if place.store.is_dir() else {}
            process = started(work, graphs, place, mark)
            time.sleep(chance.uniform(0, 0.95) * seconds)
            if os.waitpid(process, os.WNOHANG)[0]:
                seconds *= 0.8  # it had ended; what is stored already is quicker
                continue
            below = [one for one in alive(mark) if one.pid not in (process, os.getpid())]
            if below and chance.random() < 0.5:  # a worker instead of its parent, which goes on
                with contextlib.suppress(psutil.Error):
                    chance.choice(below).kill()
                os.waitpid(process, 0)
            else:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
            break
        done[work.__name__] += 1
        what = f"kill {number} in {work.__name__}: "
        leftovers += [f"{what}process {' '.join(one.cmdline())[:80]}" for one in left_alive(mark)]
        if damaged := [row["state"] for row in stored.rows(place.store, every_byte=True) if row["state"]]:
            losses.append(f"{what}{damaged[0]}")
        after = bits(place)
        losses += [f"{what}{name} is gone or changed" for name in before if after.get(name) != before[name]]
        finish(work, graphs, place, mark)
        resumed += 1
        if bits(place) != all_bits:
            losses.append(f"{what}done again it ended with other bits")
        if not all_scores <= {*scored(place).items()}:
            losses.append(f"{what}done again it ended with other scores")
        leftovers += [f"{what}{name}" for name in hidden(place)]
        print(f"{what}{len(losses)} losses and {len(leftovers)} leftovers so far", file=sys.stderr, flush=True)
        shutil.rmtree(place.store)
        shutil.rmtree(place.out)
    shutil.rmtree(root)
    facts = {"kills": sum(done.values()), "kinds": dict(done), "resumed": resumed}
    return facts | {"losses": losses, "leftovers": leftovers, "minutes": (time.perf_counter() - began) / 60}


def page(facts: dict[str, Any]) -> None:
    """Write the figures into the page."""
    words = {"sweep": "sweeping, with two workers", "study": "a study", "notebook": "a notebook"}
    lines = ["| killed in | times |", "| --- | ---: |"]
    lines += [
        f"| {words.get(work.__name__, work.__name__)} | {facts['kinds'].get(work.__name__, 0)} |" for work in KINDS
    ]
    counts = f"kills {facts['kills']}, losses {len(facts['losses'])}, leftovers {len(facts['leftovers'])}"
    again = f"{facts['resumed']} times the work was done again to its end, which had the bits of an undisturbed one"
    lines += ["", f"{counts}; {again}."]
    text = "<!-- torture -->\n" + "\n".join(lines) + "\n<!-- end -->"
    PAGE.write_text(
        re.sub(r"<!-- torture -->.*<!-- end -->", lambda _: text, PAGE.read_text("utf-8"), flags=re.S), "utf-8"
    )


if __name__ == "__main__":
    figures = torture(int(os.environ.get("TORTURE") or 100))
    print(f"kills {figures['kills']}, losses {len(figures['losses'])}, leftovers {len(figures['leftovers'])}", end="")
    print(f"; {figures['minutes']:.0f} min, {figures['kinds']}")
    print("\n".join([*figures["losses"], *figures["leftovers"]]))
    if figures["losses"] or figures["leftovers"]:
        sys.exit(1)
    page(figures)
