"""What can be told of stored runs without loading any: where they lie, what is damaged, one row per run.

Imports nothing heavy.
"""

import csv
import hashlib
import itertools
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench import atomic
from workbench.atomic import Damaged
from workbench.config import Preset

COLUMNS = (
    *("method", "graph", "preset", "seed", "epochs", "baseline", "seconds", "peak_mib", "accuracy", "state", "folder"),
)
UNTRAINED = "untrained"  # the encoder of a method before any training
FACTS, FILES = "run.json", "files"  # the latter, in the former, has the bytes and the SHA-256 of each other file
PARTS = tuple(f"{part}.safetensors" for part in ("embeddings", "tensors", "weights", "snapshots"))
PARTS += ("history.csv", "watched.csv", "names.json")  # what a run consists of besides
DERIVED = ("scores", "maps")  # folders of what was computed of its embeddings since
DAMAGED = "(damaged)"  # stands in a row for the method
ASIDE = ".damaged"  # ends the name of what was set aside
_NAME = re.compile(r".+_.+_([0-9a-f]{16})")
_SHOWN = {"method": str, "graph": str, "preset": str, "seed": int, "epochs": int, "seconds": float, "peak_mib": float}


def root(store: str | Path | None = None) -> Path:
    """Return the folder of runs: the argument, else WORKBENCH_RUNS, else ./runs."""
    return Path(store or os.environ.get("WORKBENCH_RUNS") or "runs")


def key(request: list[Any]) -> str:
    """Return the hash of what was asked for, plain values."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]


def request(facts: dict[str, Any]) -> list[Any]:
    """Return what was asked for, as `key` takes it: code and kind of device included."""
    asked = [facts[name] for name in ("method", "config", "seed", "graph_hash", "code_version")]
    return [
        *asked,
        re.split("[: ]", facts["device"])[0],
        *(facts[name] for name in ("stop", "labels") if facts.get(name)),
    ]


def folders(store: str | Path | None = None) -> list[Path]:
    """Return the folders of stored runs, damaged ones included, the latest last; hidden ones are drafts."""
    places = [path for path in root(store).glob("*") if not path.name.startswith(".") and path.is_dir()]
    places = [path for path in places if (path / FACTS).exists() or _NAME.fullmatch(path.name.partition(ASIDE)[0])]
    return sorted(places, key=_changed)


def _changed(path: Path) -> float:
    with suppress(OSError):
        return (path / FACTS).stat().st_mtime
    return path.stat().st_mtime


def asked(facts: dict[str, Any]) -> Preset:
    """Return the preset of a run; runs of before hold its name and the changes in one string."""
    name, _, changed = facts["preset"].partition(" + ")
    pairs = (pair.partition("=") for pair in changed.split(", ") if "=" in pair)
    return Preset(name, facts.get("changed", {key: value for key, _, value in pairs}))


def read(path: Path, name: str | None = None, every_byte: bool = True) -> dict[str, Any]:
    """Return the facts of a stored run once it has been held against its checksums, its key and its name.

    Args:
        path: its folder. name: what that is or will be called.
        every_byte: read each file; else those alone that were changed after the run was stored, and of the others the
            size. Of a run that was stored before there were checksums the facts alone are looked at.

    Raises:
        Damaged: says what is missing, changed or another run's.
    """
    try:
        text = (path / FACTS).read_text(encoding="utf-8")
        stored_at = (path / FACTS).stat().st_mtime_ns
    except FileNotFoundError:
        raise Damaged(f"{FACTS} is missing") from None
    except (OSError, ValueError) as error:
        raise Damaged(f"{FACTS} can't be read: {error}") from None
    try:
        facts = atomic.unsealed(text, required=False)
        if FILES in facts:
            atomic.unsealed(text)
    except Damaged as error:
        raise Damaged(f"{FACTS}: {error}") from None
    for fact, kind in _SHOWN.items():
        value = facts.get(fact)
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
            raise Damaged(f"{FACTS} has {value!r} for {fact!r}")
    if facts.get("complete", True) is not True:
        raise Damaged(f"{FACTS} says that training was interrupted, and such a run is not stored")
    if FILES not in facts:
        return facts
    try:
        same = key(request(facts)) == facts["key"]
    except (KeyError, TypeError):
        raise Damaged(f"{FACTS} lacks a part of the request") from None
    if not same:
        raise Damaged(f"{FACTS} is not of the request that its key stands for")
    known = _NAME.fullmatch(name or path.name)
    if known and known[1] != facts["key"]:
        raise Damaged("it is another run than its folder is called after")
    if strange := [part for part in PARTS if part not in facts[FILES] and (path / part).exists()]:
        raise Damaged(f"{strange[0]} is none of its files")
    for part, (size, checksum) in facts[FILES].items():
        try:
            status = (path / part).stat()
            if status.st_size != size:
                raise Damaged(f"{part} has {status.st_size:,} bytes, not the {size:,} that were written")
            if (every_byte or status.st_mtime_ns > stored_at) and atomic.checksum(path / part) != checksum:
                raise Damaged(f"{part} was changed after it was written")
        except OSError as error:
            raise Damaged(
                f"{part} is missing" if isinstance(error, FileNotFoundError) else f"{part}: {error}"
            ) from None
    return facts


def set_aside(path: Path) -> Path:
    """Keep what is damaged under another name, so that it can be made again, and return that name."""
    plain = path.name.removeprefix(".") + ASIDE
    names = itertools.chain([plain], (f"{plain}-{number}" for number in itertools.count(2)))
    return path.rename(next(place for place in map(path.with_name, names) if not place.exists()))


def stand(draft: Path, path: Path, replace: bool = False) -> None:
    """Let a whole draft of a run stand where it belongs, in one step; what was there is gone only then.

    Where another one stands already (another process was first) that one stays, or with `replace` makes room: scores
    and maps of the same embeddings go to the new one, and so does what isn't of this package. A damaged one is set
    aside.
    """
    try:
        draft.rename(path)
        return
    except OSError:
        if not path.exists():
            raise
    try:
        before, now = read(path, every_byte=False), read(draft, path.name, every_byte=False)
    except Damaged:
        set_aside(path)
        draft.rename(path)
        return
    if replace:
        same = FILES in before and before[FILES][PARTS[0]] == now[FILES][PARTS[0]]
        for other in path.iterdir():
            if other.name not in (FACTS, *PARTS) and (same or other.name not in DERIVED):
                atomic.copied(other, draft / other.name)
        atomic.exchange(draft, path)
    atomic.remove(draft)


def tidy(store: str | Path | None = None) -> None:
    """Let the whole runs stand that killed processes left as drafts, and remove what else they left."""
    for draft, name in list(atomic.abandoned(root(store))):
        path = draft.with_name(name)
        with suppress(OSError):
            try:
                read(draft, name)
                stand(draft, path, replace=not path.exists() or _changed(path) <= _changed(draft))
            except Damaged:
                atomic.remove(draft)
    for checkpoint in root(store).glob(".*.checkpoint"):
        path = checkpoint.with_name(checkpoint.name[1:].removesuffix(".checkpoint"))
        with suppress(OSError):  # the run was stored after it, and the process killed before it was removed
            if checkpoint.stat().st_mtime_ns <= (path / FACTS).stat().st_mtime_ns:
                checkpoint.unlink()


def untrained(path: Path) -> bool:
    """Return whether a stored run is an encoder before any training."""
    with suppress(Damaged):
        return not read(path, every_byte=False)["epochs"]
    return False


def rows(store: str | Path | None = None, baselines: bool = True, every_byte: bool = False) -> list[dict[str, Any]]:
    """Return the stored runs, a row of `COLUMNS` each, the latest last; "state" says which are damaged or supervised.

    An untrained encoder, which training must beat, is marked as a baseline; without `baselines` it is left out.
    `every_byte` is as for `read`.
    """
    tidy(store)
    table = []
    for path in folders(store):
        try:
            facts = read(path, every_byte=every_byte)
            row = {name: facts[name] for name in ("method", "graph", "seed", "epochs", "seconds", "peak_mib")}
            row |= {"preset": str(asked(facts)), "baseline": None if facts["epochs"] else UNTRAINED}
            row["accuracy"] = "; ".join(_accuracies(path, sealed=FILES in facts))
            told = ("supervised" * bool(facts.get("labels")), "no checksums" * (FILES not in facts))
            row["state"] = "; ".join(filter(None, told)) or None
        except Damaged as error:
            row = {"method": DAMAGED, "state": str(error)}
        if ASIDE in path.name:
            row = {"method": DAMAGED, "state": f"set aside; {row['state'] or 'it is another run'}"}
        if not row.get("baseline") or baselines:
            table.append({name: row.get(name) for name in COLUMNS} | {"folder": str(path)})
    return table


def _accuracies(path: Path, sealed: bool) -> list[str]:
    """Return the accuracies that are kept beside a run, damaged ones left out."""
    told = []
    for file in path.glob("scores/*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            score = atomic.unsealed(file.read_text(encoding="utf-8"), required=sealed)
            told.append(f"{score['accuracy']['mean']:.1f} ({score['protocol']})")
    return told


def losses(folder: str | Path, points: int = 60) -> list[float]:
    """Return the loss of a stored run over its epochs, at most so many values evenly spaced, the last one included."""
    values = list[float]()
    with suppress(OSError, ValueError, KeyError), (Path(folder) / "history.csv").open(encoding="utf-8") as file:
        values = [float(row["loss"]) for row in csv.DictReader(file)]
    if len(values) <= points:
        return values
    return [values[round(place * (len(values) - 1) / (points - 1))] for place in range(points)]
