"""The store, which keeps each run as a folder on disk."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench import atomic
from workbench.arguments import guard
from workbench.atomic import Damaged
from workbench.contrast import Contrast
from workbench.contrast.pairs import Mixed
from workbench.contrast.weights import ByCluster, Learned, PairWeights
from workbench.datasets.kinds import KINDS, alone
from workbench.errors import UserError, unknown
from workbench.methods import METHODS, Config
from workbench.training import stored
from workbench.training.code_version import code_version
from workbench.training.run import Run
from workbench.training.stored import COLUMNS, FACTS, FILES, asked, folders, root, rows, untrained

LONGEST = 60  # signs of a graph's name that a run's folder is called by; a file system takes 255 bytes


def key(
    method: str,
    config: Config,
    seed: int,
    graph_hash: str,
    device: str,
    stop: str | None = None,
    labels: str | None = None,
) -> str:
    """Return the hash of a request: content, configuration, seed, code, kind of device, `stop`, labels seen."""
    facts = {"method": method, "config": config.flat(), "seed": seed, "graph_hash": graph_hash}
    facts |= {"stop": stop, "labels": labels}
    return stored.key(stored.request(facts | {"code_version": code_version(method, config, stop), "device": device}))


def folder(store: str | Path | None, method: str, graph: str, run_key: str) -> Path:
    """Return where a run is or would be kept."""
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in graph[:LONGEST])
    return root(store) / f"{method}_{plain}_{run_key}"


_REQUEST = ("method", "graph", "graph_hash", "seed")
_FACTS = (*_REQUEST, "seconds", "peak_mib", "device", "versions", "complete", "kind", "shape", "stop", "labels")


def save(run: Run, store: str | Path | None = None, replace: bool = False) -> Run:
    """Write a run as a folder of a store that is either whole or not there, and return the run with its path.

    The folder holds run.json (request, versions, cost, and the SHA-256 of every file), history.csv, and as safetensors:
    embeddings, weights, tensors (details, projections and the contrast) and, where there are any, snapshots;
    watched.csv what was measured on the way; names.json holds what items, columns and words are called. Where the same
    run is stored already (another process was first), that one stays, or with `replace` makes room once this one is
    whole.

    Args:
        store: as for `fit`.

    Raises:
        UserError: the run was interrupted. OSError: the folder can't be written; nothing is left there then.
    """
    if not run.complete:
        raise UserError(f"this training was interrupted after {run.epochs} epochs; the same fit goes on and stores it")
    request = run.method, run.config, run.seed, run.graph_hash, run.device, run.stop, run.labels
    path = folder(store, run.method, run.graph, run_key := key(*request))
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {name: getattr(run, name) for name in _FACTS} | {"key": run_key}
    facts |= {"preset": run.asked.name, "changed": run.asked.changed, "config": run.config.flat(), "epochs": run.epochs}
    facts["code_version"] = code_version(run.method, run.config, run.stop)
    tensors = {f"details.{name}": tensor for name, tensor in run.details.items()}
    tensors |= {f"projections.{i}": matrix for i, matrix in enumerate(run.projections)}
    if run.contrast is not None:
        facts["contrast"], held = _split_contrast(run.contrast)
        tensors |= held
    by_item = run.embeddings if isinstance(run.embeddings, dict) else {"": run.embeddings}
    draft = atomic.draft_of(path)
    try:
        draft.mkdir()
        run.history.to_csv(draft / "history.csv")
        run.watched.to_csv(draft / "watched.csv")
        _write(draft / "embeddings.safetensors", {f"embeddings.{k}".rstrip("."): v for k, v in by_item.items()})
        _write(draft / "tensors.safetensors", tensors)
        _write(draft / "weights.safetensors", run.weights)
        if run.names is not None or run.columns is not None:
            named = {"items": run.names, "ids": run.ids, "columns": run.columns, "texts": run.texts}
            (draft / "names.json").write_text(json.dumps(named), encoding="utf-8")
        if run.snapshots:
            kept = {str(epoch): embeddings for epoch, embeddings in run.snapshots.items()}
            _write(draft / "snapshots.safetensors", kept)
        for file in draft.iterdir():  # the library of the tensors leaves its files to their owner alone
            file.chmod(draft.stat().st_mode & 0o666)
        facts[FILES] = {file.name: [file.stat().st_size, atomic.checksum(file)] for file in sorted(draft.iterdir())}
        (draft / FACTS).write_text(json.dumps(atomic.sealed(facts), indent=1), encoding="utf-8")
        atomic.onto_disk(*draft.iterdir(), draft)
        stored.stand(draft, path, replace)
        atomic.onto_disk(path.parent)
    finally:
        atomic.remove(draft)
    return dataclasses.replace(run, path=path)


def _write(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, each with memory of its own; copied only where it has none."""
    own = dict[str, Tensor]()
    taken = set[int]()
    for name, tensor in tensors.items():
        tensor = alone(tensor.detach().cpu().contiguous())
        own[name] = tensor.clone() if tensor.data_ptr() in taken else tensor
        taken.add(tensor.data_ptr())
    try:
        save_file(own, file)
    except SafetensorError as error:  # the library's own word for what the disk says
        raise OSError(str(error)) from None


def load(path: str | Path) -> Run:
    """Load a stored run; a UserError says what is missing or damaged, and nothing damaged is loaded."""
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path} is not a stored run; `workbench runs` lists them")

    def optional(part: str) -> dict[str, Tensor]:
        return load_file(path / part) if (path / part).exists() else {}

    try:
        facts = stored.read(path)
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
        if len(history) != facts["epochs"]:
            raise Damaged(f"history.csv has {len(history)} epochs of {facts['epochs']}")
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        if isinstance(error, UserError) and error.fields.get("kind") == "method":
            raise
        what = f"no {error} in it" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"the stored run {path} is damaged: {what}; the same fit sets it aside and trains again", kind="damaged"
        ) from None
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
        ids=names.get("ids"),
        columns=names.get("columns"),
        texts=names.get("texts", {}),
        watched=pd.DataFrame() if watched is None else watched,
        weights=weights,
        path=path,
        checksums=FILES in facts,
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
    stored.tidy(store)
    paths = [path for path in folders(store) if stored.ASIDE not in path.name]
    if "/" in word:
        method, graph = word.split("/", 1)
        latest = [path for path in paths if path.name.startswith(folder(store, method, graph, "").name)]
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
        elif isinstance(value, PairWeights):
            tensors |= {f"contrast.{name}.{key}": part for key, part in vars(value).items() if isinstance(part, Tensor)}
            own = {key: part for key, part in vars(value).items() if not isinstance(part, Tensor)}
            plain[name] = {"kind": type(value).__name__, **own}
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
    if own := plain.get("made"):
        made = {key.removeprefix("contrast.made."): part for key, part in tensors.items() if "contrast.made." in key}
        by_cluster = own.pop("kind") == "ByCluster"
        values["made"] = ByCluster(made["labels"]) if by_cluster else Learned(**(made | own))
    return Contrast(**values)


__all__ = ["Run", "find", "folder", "key", "load", "root", "save", "table"]


guard(globals(), ("save", "load", "find", "table"))
