"""`Run`, the result of training, and the store that keeps each run as a folder on disk."""

import ast
import dataclasses
import hashlib
import importlib.metadata
import inspect
import json
import os
import platform
import shutil
import uuid
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

import workbench
from workbench.contrast import Contrast
from workbench.contrast.contrast import Mixed
from workbench.contrast.selection import STRATEGIES
from workbench.errors import UserError, unknown
from workbench.methods import METHODS, Config

# What words go through, but no number of a run.
_WORDS = ("errors.py", "registry.py", "rules/explanation.py")
_PACKAGES = ("torch", "torch-geometric", "numpy", "scipy", "scikit-learn")


@dataclass
class Run:
    """What training gave: embeddings, how it went, and what exactly was asked for.

    Attributes:
        method, graph, preset, seed: what was asked for; `graph` is the graph's name, and `preset` also names the
            parameters that differ from it.
        graph_hash: hash of the graph's content.
        config: the full configuration, a frozen data class.
        embeddings: float32 [nodes, dim].
        history: one row an epoch; columns "loss" (what was minimised), one per loss term, and "seconds".
        contrast: the contrast that the last step used; None for an untrained encoder.
        seconds: wall seconds of the training loop. peak_mib: peak memory during training and embedding, above what was
            in use before (resident memory on a CPU, allocated memory on a GPU).
        device: what it ran on. versions: of the packages that decide the bits.
        complete: False where training was interrupted; the checkpoint lets the same request go on.
        details: what the method made of the graph besides the embedding, by name.
        projections: what the contrast compared in the last step, a matrix a view [rows, dim]; empty where there was
            none.
        snapshots: embeddings that were kept on the way, float16 [nodes, dim] with rows of unit length, by epoch; 0 is
            the untrained one.
        path: the run's folder; None where it was not stored.
    """

    method: str
    graph: str
    graph_hash: str
    config: Config
    preset: str
    seed: int
    embeddings: Tensor
    history: pd.DataFrame
    contrast: Contrast | None
    seconds: float
    peak_mib: float
    device: str
    versions: dict[str, str] = field(default_factory=dict)
    complete: bool = True
    details: dict[str, Tensor] = field(default_factory=dict)
    projections: tuple[Tensor, ...] = ()
    snapshots: dict[int, Tensor] = field(default_factory=dict)
    path: Path | None = None

    @property
    def epochs(self) -> int:
        """Epochs that were trained."""
        return len(self.history)

    @property
    def scores(self) -> dict[str, Any]:
        """Scores that have been computed for this run, by file name."""
        folder = self.path / "scores" if self.path else None
        files = sorted(folder.glob("*.json")) if folder and folder.is_dir() else []
        return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}

    def __repr__(self) -> str:
        state = "" if self.complete else f", interrupted after {self.epochs} epochs"
        loss = f", loss {self.history['loss'].iloc[-1]:.4f}" if self.epochs else ", untrained"
        return (
            f"Run({self.method} on {self.graph}, preset {self.preset}, seed {self.seed}: {self.epochs} epochs in "
            f"{self.seconds:.1f} s, peak {self.peak_mib:.0f} MiB on {self.device}{loss}{state})"
        )


def root(store: str | Path | None = None) -> Path:
    """Return the folder of runs: the argument, else WORKBENCH_RUNS, else ./runs."""
    return Path(store or os.environ.get("WORKBENCH_RUNS") or "runs")


def versions() -> dict[str, str]:
    """Return the versions that decide a run's bits."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "workbench": workbench.__version__, **found}


@cache
def code_version(method: str, negatives: str = "all") -> str:
    """Return a hash of the code that decides what `method` learns, so that a change of it is a new run.

    That is the method's file and that of the strategy that chooses its negatives, what they import of this package,
    directly or not, and the training loop. Comments, docstrings and line breaks don't count.
    """
    files = [*_sources(Path(inspect.getfile(METHODS.get(method)))), Path(workbench.__file__).parent / "training.py"]
    own = ""
    if negatives != "all":
        chooser = STRATEGIES.get(negatives)
        file = Path(inspect.getfile(chooser))
        if file.is_file():
            files += [one for one in _sources(file) if one not in files]
        else:  # it was written in a notebook
            own = inspect.getsource(chooser)
    return hashlib.sha256("\0".join([*map(_code, files), own]).encode()).hexdigest()[:12]


def _sources(file: Path) -> list[Path]:
    """Return a source file and every file of this package that it imports, directly or not."""
    package = Path(workbench.__file__).parent
    found = [file]
    for one in found:  # grows while it is walked
        names: list[str] = []
        for node in ast.walk(ast.parse(one.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):  # of a package perhaps: what is named may be a module
                names += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
        for name in names:
            top, *parts = name.split(".")
            if top == package.name and parts:
                place = package.joinpath(*parts)
                files = [f for f in (place.with_suffix(".py"), place / "__init__.py") if f.is_file() and f not in found]
                found += [f for f in files if f.relative_to(package).as_posix() not in _WORDS]
    return found


def _code(file: Path) -> str:
    """Return the code of a source file without its comments and docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        named = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, named) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


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
