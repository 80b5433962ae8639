"""The store, which keeps each run as a folder on disk."""

import dataclasses
import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.contrast import Contrast
from workbench.contrast.pairs import Mixed
from workbench.errors import UserError, unknown
from workbench.methods import METHODS, Config
from workbench.training.code_version import code_version, versions
from workbench.training.run import Run


def root(store: str | Path | None = None) -> Path:
    """Return the folder of runs: the argument, else WORKBENCH_RUNS, else ./runs."""
    return Path(store or os.environ.get("WORKBENCH_RUNS") or "runs")


def key(method: str, config: Config, seed: int, graph_hash: str, device: str) -> str:
    """Return the hash of a request: graph content, configuration, seed, code version and kind of device."""
    code = code_version(method, getattr(config, "negatives", "all"))
    request = [method, dataclasses.asdict(config), seed, graph_hash, code, device.split(":")[0]]
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]


def folder(store: str | Path | None, method: str, graph: str, run_key: str) -> Path:
    """Return where a run is or would be kept."""
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in graph)
    return root(store) / f"{method}_{plain}_{run_key}"


def save(run: Run, path: Path, replace: bool = False) -> Run:
    """Write a run as a folder that is either whole or not there, and return the run with its path.

    The folder holds run.json (request, versions, cost), history.csv, embeddings.safetensors, tensors.safetensors
    (details and the contrast) and, where there are any, snapshots.safetensors. Where the same run is stored already
    (another process was first), that one stays, or with `replace` makes room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    draft.mkdir()
    facts = {
        name: getattr(run, name)
        for name in ("method", "graph", "graph_hash", "preset", "seed", "seconds", "peak_mib", "device", "versions")
    }
    facts |= {"config": dataclasses.asdict(run.config), "epochs": run.epochs, "complete": run.complete}
    facts["code_version"] = code_version(run.method, getattr(run.config, "negatives", "all"))
    tensors = {f"details.{name}": tensor.detach().cpu().contiguous().clone() for name, tensor in run.details.items()}
    tensors |= {f"projections.{i}": one.contiguous().clone() for i, one in enumerate(run.projections)}
    if run.contrast is not None:
        plain, held = _split_contrast(run.contrast)
        facts["contrast"], tensors = plain, tensors | held
    try:
        (draft / "run.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        run.history.to_csv(draft / "history.csv")
        save_file({"embeddings": run.embeddings.contiguous()}, draft / "embeddings.safetensors")
        save_file(tensors, draft / "tensors.safetensors")
        if run.snapshots:
            _write_snapshots(draft, run.snapshots)
        if replace and path.exists():
            shutil.rmtree(path.rename(draft.with_name(f"{draft.name}.old")))
        try:
            draft.rename(path)
        except OSError:
            if not (path / "run.json").exists():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return dataclasses.replace(run, path=path)


def _write_snapshots(folder: Path, snapshots: dict[int, Tensor]) -> None:
    draft = folder / f".snapshots.{uuid.uuid4().hex[:8]}"
    save_file({str(epoch): one.contiguous() for epoch, one in snapshots.items()}, draft)
    draft.replace(folder / "snapshots.safetensors")


def add_snapshots(path: Path, snapshots: dict[int, Tensor]) -> Run:
    """Keep embeddings [nodes, dim] by epoch with a run that is stored without them, and return it with them."""
    _write_snapshots(path, snapshots)
    return load(path)


def load(path: str | Path) -> Run:
    """Load a stored run.

    Raises:
        UserError: the folder is not a run, or part of it is missing or damaged.
    """
    path = Path(path)
    try:
        facts = json.loads((path / "run.json").read_text(encoding="utf-8"))
        config = METHODS.get(facts["method"]).Config(**facts["config"])
        tensors = load_file(path / "tensors.safetensors")
        embeddings = load_file(path / "embeddings.safetensors")["embeddings"]
        history = pd.read_csv(path / "history.csv", index_col="epoch")
        kept = load_file(path / "snapshots.safetensors") if (path / "snapshots.safetensors").exists() else {}
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is not a stored run: {error.filename} is missing; `workbench runs` lists them"
        ) from None
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"the stored run {path} is damaged ({error}); delete the folder and train again") from None
    contrast = _join_contrast(facts["contrast"], tensors) if facts.get("contrast") else None
    details = {name.removeprefix("details."): t for name, t in tensors.items() if name.startswith("details.")}
    projections = tuple(tensors[name] for name in ("projections.0", "projections.1") if name in tensors)
    told = ("method", "graph", "graph_hash", "preset", "seed", "seconds", "peak_mib", "device", "versions", "complete")
    return Run(
        **{name: facts[name] for name in told},
        config=config,
        embeddings=embeddings,
        history=history,
        contrast=contrast,
        details=details,
        projections=projections,
        snapshots={epoch: kept[str(epoch)] for epoch in sorted(map(int, kept))},
        path=path,
    )


def _stored(store: str | Path | None) -> list[Path]:
    """Return the folders of stored runs, the latest last; hidden ones are drafts and checkpoints."""
    files = [file for file in root(store).glob("*/run.json") if not file.parent.name.startswith(".")]
    return [file.parent for file in sorted(files, key=lambda file: file.stat().st_mtime)]


def find(word: str, store: str | Path | None = None) -> Path:
    """Find a stored run by its folder, the start of its key, or METHOD/GRAPH for the latest such run.

    Raises:
        UserError: none or several fit; the message names the nearest.
    """
    if (Path(word) / "run.json").exists():
        return Path(word)
    paths = _stored(store)
    if "/" in word:
        method, graph = word.split("/", 1)
        latest = [path for path in paths if path.name.startswith(f"{method}_{graph}_")]
        if latest:
            return latest[-1]
    matches = [p for p in paths if p.name == word or p.name.rsplit("_", 1)[-1].startswith(word)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UserError(f"{len(matches)} stored runs start with {word!r}: {', '.join(p.name for p in matches[:5])}")
    names = [p.name for p in paths]
    if not names:
        raise UserError(f"there is no stored run in {root(store)}; train one, e.g. `workbench fit grace cora`")
    raise unknown("run", word, {name.rsplit("_", 1)[0].replace("_", "/", 1) for name in names}, f"in {root(store)}")


def table(store: str | Path | None = None) -> pd.DataFrame:
    """Return the stored runs as a table, the latest last; a damaged folder is a row that says so."""
    rows = []
    for path in _stored(store):
        try:
            facts = json.loads((path / "run.json").read_text(encoding="utf-8"))
            row = {name: facts[name] for name in ("method", "graph", "preset", "seed", "epochs", "seconds", "peak_mib")}
        except (ValueError, KeyError):
            row = {"method": "(damaged)"}
        accuracy = [
            f"{score['accuracy']['mean']:.1f} ({score['protocol']})"
            for score in map(json.loads, (f.read_text(encoding="utf-8") for f in path.glob("scores/*.json")))
            if isinstance(score.get("accuracy"), dict)
        ]
        rows.append({**row, "accuracy": "; ".join(accuracy), "folder": str(path)})
    columns = ["method", "graph", "preset", "seed", "epochs", "seconds", "peak_mib", "accuracy", "folder"]
    return pd.DataFrame(rows, columns=columns)


def _split_contrast(contrast: Contrast) -> tuple[dict[str, Any], dict[str, Tensor]]:
    plain: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    for one in dataclasses.fields(contrast):
        value = getattr(contrast, one.name)
        parts: dict[str, Tensor] = {one.name: value} if isinstance(value, Tensor) else {}
        if isinstance(value, tuple):
            parts = {f"{one.name}.{position}": part for position, part in enumerate(value)}
        if parts:
            tensors |= {f"contrast.{name}": part.detach().cpu().contiguous().clone() for name, part in parts.items()}
        else:
            plain[one.name] = value
    return plain, tensors


def _join_contrast(plain: dict[str, Any], tensors: dict[str, Tensor]) -> Contrast:
    values = dict(plain)
    for one in dataclasses.fields(Contrast):
        whole = tensors.get(f"contrast.{one.name}")
        parts = [tensors[name] for name in (f"contrast.{one.name}.{i}" for i in (0, 1, 2)) if name in tensors]
        if whole is not None or parts:
            values[one.name] = whole if whole is not None else Mixed(*parts) if one.name == "mixed" else tuple(parts)
    return Contrast(**values)


__all__ = ["Run", "add_snapshots", "code_version", "find", "folder", "key", "load", "root", "save", "table", "versions"]
