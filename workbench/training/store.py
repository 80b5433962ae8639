"""The store, which keeps each run as a folder on disk."""

import dataclasses
import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.contrast import Contrast
from workbench.contrast.pairs import Mixed
from workbench.datasets.kinds import KINDS, alone
from workbench.errors import UserError, unknown
from workbench.methods import METHODS, Config
from workbench.training.code_version import code_version
from workbench.training.run import Run
from workbench.training.stored import COLUMNS, asked, folders, root, rows, untrained


def key(method: str, config: Config, seed: int, graph_hash: str, device: str, stop: str | None = None) -> str:
    """Return the hash of a request: graph content, configuration, seed, code version, kind of device and `stop`."""
    request = [method, config.flat(), seed, graph_hash, code_version(method, config, stop), device.split(":")[0]]
    request += [stop] if stop else []
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]


def folder(store: str | Path | None, method: str, graph: str, run_key: str) -> Path:
    """Return where a run is or would be kept."""
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in graph)
    return root(store) / f"{method}_{plain}_{run_key}"


_REQUEST = ("method", "graph", "graph_hash", "seed")
_FACTS = (*_REQUEST, "seconds", "peak_mib", "device", "versions", "complete", "kind", "shape", "stop")


def save(run: Run, path: Path, replace: bool = False) -> Run:
    """Write a run as a folder that is either whole or not there, and return the run with its path.

    The folder holds run.json (request, versions, cost), history.csv, and as safetensors: embeddings, weights, tensors
    (details, projections and the contrast) and, where there are any, snapshots; watched.csv what was measured on the
    way; names.json holds what the items are
    called. Where the same run is stored already (another process was first), that one stays, or with `replace` makes
    room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    draft.mkdir()
    facts = {name: getattr(run, name) for name in _FACTS}
    facts |= {"preset": run.asked.name, "changed": run.asked.changed, "config": run.config.flat(), "epochs": run.epochs}
    facts["code_version"] = code_version(run.method, run.config, run.stop)
    tensors = {f"details.{name}": tensor for name, tensor in run.details.items()}
    tensors |= {f"projections.{i}": matrix for i, matrix in enumerate(run.projections)}
    if run.contrast is not None:
        facts["contrast"], held = _split_contrast(run.contrast)
        tensors |= held
    by_item = run.embeddings if isinstance(run.embeddings, dict) else {"": run.embeddings}
    try:
        (draft / "run.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        run.history.to_csv(draft / "history.csv")
        run.watched.to_csv(draft / "watched.csv")
        _write(draft / "embeddings.safetensors", {f"embeddings.{k}".rstrip("."): v for k, v in by_item.items()})
        _write(draft / "tensors.safetensors", tensors)
        _write(draft / "weights.safetensors", run.weights)
        if run.names is not None or run.columns is not None:
            named = {"items": run.names, "columns": run.columns}
            (draft / "names.json").write_text(json.dumps(named), encoding="utf-8")
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


def _write(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, each with memory of its own; copied only where it has none."""
    own = dict[str, Tensor]()
    taken = set[int]()
    for name, tensor in tensors.items():
        tensor = alone(tensor.detach().cpu().contiguous())
        own[name] = tensor.clone() if tensor.data_ptr() in taken else tensor
        taken.add(tensor.data_ptr())
    save_file(own, file)


def _write_snapshots(folder: Path, snapshots: dict[int, Tensor]) -> None:
    draft = folder / f".snapshots.{uuid.uuid4().hex[:8]}"
    _write(draft, {str(epoch): embeddings for epoch, embeddings in snapshots.items()})
    draft.replace(folder / "snapshots.safetensors")


def add_snapshots(path: Path, snapshots: dict[int, Tensor], watched: pd.DataFrame) -> Run:
    """Keep embeddings [nodes, dim] by epoch, and what was measured of them, with a stored run, and return it so."""
    _write_snapshots(path, snapshots)
    draft = path / f".watched.{uuid.uuid4().hex[:8]}"
    watched.to_csv(draft)
    draft.replace(path / "watched.csv")
    return load(path)


def load(path: str | Path) -> Run:
    """Load a stored run; a UserError says what is missing or damaged."""
    path = Path(path)

    def optional(part: str) -> dict[str, Tensor]:
        return load_file(path / part) if (path / part).exists() else {}

    try:
        facts = json.loads((path / "run.json").read_text(encoding="utf-8"))
        config = METHODS.get(facts["method"]).Config.from_flat(_config(facts))
        tensors = load_file(path / "tensors.safetensors")
        embeddings = load_file(path / "embeddings.safetensors")
        history = pd.read_csv(path / "history.csv", index_col="epoch")
        watched = pd.read_csv(path / "watched.csv", index_col="epoch") if (path / "watched.csv").exists() else None
        snapshots, weights = optional("snapshots.safetensors"), optional("weights.safetensors")
        names = json.loads((path / "names.json").read_text("utf-8")) if (path / "names.json").exists() else {}
        # In the order of the kind of data, not the alphabetical one in which the file has them.
        items = KINDS.get(facts.get("kind", "nodes")).items
        by_item = {item: embeddings[f"embeddings.{item}"] for item in items if f"embeddings.{item}" in embeddings}
        vectors = by_item or embeddings["embeddings"]
        plain = {name: facts[name] for name in _FACTS if name in facts}
        preset = asked(facts)
        contrast = _join_contrast(facts["contrast"], tensors) if facts.get("contrast") else None
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is not a stored run: {error.filename} is missing; `workbench runs` lists them"
        ) from None
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        if isinstance(error, UserError) and error.fields.get("kind") == "method":
            raise
        raise UserError(f"the stored run {path} is damaged ({error}); delete the folder and train again") from None
    projections = sorted(name for name in tensors if name.startswith("projections."))
    return Run(
        **plain,
        asked=preset,
        config=config,
        embeddings=vectors,
        history=history,
        contrast=contrast,
        details={name.removeprefix("details."): t for name, t in tensors.items() if name.startswith("details.")},
        projections=tuple(tensors[name] for name in projections),
        snapshots={epoch: snapshots[str(epoch)] for epoch in sorted(map(int, snapshots))},
        names=names.get("items"),
        columns=names.get("columns"),
        watched=pd.DataFrame() if watched is None else watched,
        weights=weights,
        path=path,
    )


def _config(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the flat configuration; before parts had options of their own, those of the sampler stood in a list."""
    values = dict(facts["config"])
    options = dict(values.pop("options", ()))
    return values | {f"negatives.{name}": value for name, value in options.items()}


def find(word: str, store: str | Path | None = None) -> Path:
    """Find a stored run by its folder, the start of its key, or METHOD/GRAPH for the latest that was trained."""
    if (Path(word) / "run.json").exists():
        return Path(word)
    paths = folders(store)
    if "/" in word:
        method, graph = word.split("/", 1)
        latest = [path for path in paths if path.name.startswith(f"{method}_{graph}_")]
        if latest:
            return next((path for path in reversed(latest) if not untrained(path)), latest[-1])
    matches = [p for p in paths if p.name == word or p.name.rsplit("_", 1)[-1].startswith(word)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UserError(f"{len(matches)} stored runs start with {word!r}: {', '.join(p.name for p in matches[:5])}")
    names = [p.name for p in paths]
    if not names:
        raise UserError(f"there is no stored run in {root(store)}; train one, e.g. `workbench fit grace cora`")
    raise unknown("run", word, {name.rsplit("_", 1)[0].replace("_", "/", 1) for name in names}, f"in {root(store)}")


def table(store: str | Path | None = None, baselines: bool = False) -> pd.DataFrame:
    """Return the stored runs as a table, the latest last; a damaged folder is a row that says so.

    With `baselines` also those that were not trained, marked in the column of that name.
    """
    return pd.DataFrame(rows(store, baselines), columns=COLUMNS)


def _split_contrast(contrast: Contrast) -> tuple[dict[str, Any], dict[str, Tensor]]:
    plain, tensors = dict[str, Any](), dict[str, Tensor]()
    for name, value in vars(contrast).items():
        if isinstance(value, Tensor):
            tensors[f"contrast.{name}"] = value
        elif isinstance(value, tuple):
            tensors |= {f"contrast.{name}.{place}": part for place, part in enumerate(value)}
        else:
            plain[name] = value
    return plain, tensors


def _join_contrast(plain: dict[str, Any], tensors: dict[str, Tensor]) -> Contrast:
    names = [field.name for field in dataclasses.fields(Contrast)]
    # Runs of before kept what belongs to the objective, and the number of views, with the contrast.
    values = {name: plain[name] for name in names if name in plain}
    for name in names:
        parts = [tensors[part] for part in (f"contrast.{name}.{place}" for place in range(3)) if part in tensors]
        if f"contrast.{name}" in tensors:
            values[name] = tensors[f"contrast.{name}"]
        elif parts:
            values[name] = Mixed(*parts) if name == "mixed" else tuple(parts)
    return Contrast(**values)


__all__ = ["Run", "add_snapshots", "find", "folder", "key", "load", "root", "save", "table"]
