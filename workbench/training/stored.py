"""What can be told of stored runs without loading any: where they lie, and a row a run. Imports nothing heavy."""

import csv
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.config import Preset

COLUMNS = ("method", "graph", "preset", "seed", "epochs", "baseline", "seconds", "peak_mib", "accuracy", "folder")
UNTRAINED = "untrained"  # the encoder of a method before any training


def root(store: str | Path | None = None) -> Path:
    """Return the folder of runs: the argument, else WORKBENCH_RUNS, else ./runs."""
    return Path(store or os.environ.get("WORKBENCH_RUNS") or "runs")


def folders(store: str | Path | None = None) -> list[Path]:
    """Return the folders of stored runs, the latest last; hidden ones are drafts and checkpoints."""
    files = [file for file in root(store).glob("*/run.json") if not file.parent.name.startswith(".")]
    return [file.parent for file in sorted(files, key=lambda file: file.stat().st_mtime)]


def asked(facts: dict[str, Any]) -> Preset:
    """Return the preset of a run; runs of before hold its name and the changes in one string."""
    name, _, changed = facts["preset"].partition(" + ")
    pairs = (pair.partition("=") for pair in changed.split(", ") if "=" in pair)
    return Preset(name, facts.get("changed", {key: value for key, _, value in pairs}))


def untrained(path: Path) -> bool:
    """Return whether a stored run is an encoder before any training."""
    try:
        return not json.loads((path / "run.json").read_text(encoding="utf-8"))["epochs"]
    except (ValueError, KeyError):
        return False


def rows(store: str | Path | None = None, baselines: bool = True) -> list[dict[str, Any]]:
    """Return the stored runs, a row of `COLUMNS` each, the latest last; a damaged folder is a row that says so.

    An untrained encoder, which training must beat, is marked as a baseline; without `baselines` it is left out.
    """
    table = []
    for path in folders(store):
        try:
            facts = json.loads((path / "run.json").read_text(encoding="utf-8"))
            row = {name: facts[name] for name in ("method", "graph", "seed", "epochs", "seconds", "peak_mib")}
            row |= {"preset": str(asked(facts)), "baseline": None if facts["epochs"] else UNTRAINED}
        except (ValueError, KeyError):
            row = {"method": "(damaged)"}
        if row.get("baseline") and not baselines:
            continue
        row["accuracy"] = "; ".join(
            f"{score['accuracy']['mean']:.1f} ({score['protocol']})"
            for score in map(json.loads, (f.read_text(encoding="utf-8") for f in path.glob("scores/*.json")))
            if isinstance(score.get("accuracy"), dict)
        )
        row["folder"] = str(path)
        table.append({name: row.get(name) for name in COLUMNS})
    return table


def losses(folder: str | Path, points: int = 60) -> list[float]:
    """Return the loss of a stored run over its epochs, at most so many values evenly spaced, the last one included."""
    values = list[float]()
    with suppress(OSError, ValueError, KeyError), (Path(folder) / "history.csv").open(encoding="utf-8") as file:
        values = [float(row["loss"]) for row in csv.DictReader(file)]
    if len(values) <= points:
        return values
    return [values[round(place * (len(values) - 1) / (points - 1))] for place in range(points)]
