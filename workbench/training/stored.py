"""What can be told of stored runs without loading any: where they lie, and a row a run. Imports nothing heavy."""

import json
import os
from pathlib import Path
from typing import Any

from workbench.config import Preset

COLUMNS = ("method", "graph", "preset", "seed", "epochs", "seconds", "peak_mib", "accuracy", "folder")


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


def rows(store: str | Path | None = None) -> list[dict[str, Any]]:
    """Return the stored runs, a row of `COLUMNS` each, the latest last; a damaged folder is a row that says so."""
    table = []
    for path in folders(store):
        try:
            facts = json.loads((path / "run.json").read_text(encoding="utf-8"))
            row = {name: facts[name] for name in ("method", "graph", "seed", "epochs", "seconds", "peak_mib")}
            row["preset"] = str(asked(facts))
        except (ValueError, KeyError):
            row = {"method": "(damaged)"}
        row["accuracy"] = "; ".join(
            f"{score['accuracy']['mean']:.1f} ({score['protocol']})"
            for score in map(json.loads, (f.read_text(encoding="utf-8") for f in path.glob("scores/*.json")))
            if isinstance(score.get("accuracy"), dict)
        )
        row["folder"] = str(path)
        table.append({name: row.get(name) for name in COLUMNS})
    return table
