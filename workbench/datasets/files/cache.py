"""The cache folder, where processed copies of graphs are kept; a data root is never written for that."""

import contextlib
import io
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from workbench import atomic
from workbench.errors import UserError

T = TypeVar("T")
DAMAGED = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)  # what reading such files raises
Place = tuple[str | tuple[str, ...], ...]  # the keys that lead to a value


def publish(name: str, build: Callable[[Path], None]) -> Path:
    """Return the folder `name` below env WORKBENCH_CACHE, else this system's place for caches; built if it is missing.

    `build` fills a private folder, which then appears under its name in one step: two processes that build the same
    thing at once, or one that is killed, never leave a half-filled folder. The name must change whenever the content
    would.
    """
    chosen = os.environ.get("WORKBENCH_CACHE")
    cache = Path(chosen).expanduser().resolve() if chosen else user_cache_path("workbench", appauthor=False)
    final = cache / name
    if final.exists():
        return final
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        atomic.sweep(final)
        (staging := atomic.draft_of(final)).mkdir()
    except OSError as error:
        reason = f"the cache folder {cache} can't be written ({error.strerror})"
        raise UserError(f"{reason}; set WORKBENCH_CACHE to a folder that can") from error
    try:
        build(staging)
        try:
            staging.rename(final)
        except OSError:
            if not final.exists():  # else another process was first, and what it built is the same
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return final


def loaded(name: str, build: Callable[[Path], None], load: Callable[[Path], T]) -> T:
    """Return what is loaded from a folder that `publish` gives; one that can't be read is built once more."""
    folder = publish(name, build)
    try:
        return load(folder)
    except DAMAGED:  # cut short, or not what was written
        shutil.rmtree(folder, ignore_errors=True)
    try:
        return load(publish(name, build))
    except DAMAGED as error:
        raise UserError(f"{folder} in the cache is damaged and can't be replaced ({error}); delete it") from error


def write(values: Mapping[Any, Any], file: Path) -> None:
    """Write nested tensors, dense or COO, and plain values as safetensors, from which no code can run."""
    tensors, entries = dict[str, Tensor](), []
    for number, (place, value) in enumerate(_leaves(values)):
        entry: dict[str, Any] = {"place": place}
        if not isinstance(value, Tensor):
            entry["value"] = value
        elif value.layout == torch.strided:
            tensors[str(number)] = value.contiguous().clone()
        else:
            value = value.to_sparse_coo().coalesce()
            entry["shape"] = [*value.shape]
            tensors[f"{number} indices"], tensors[f"{number} values"] = value.indices().clone(), value.values().clone()
        entries.append(entry)
    save_file(tensors, file, metadata={"entries": json.dumps(entries)})


def read(file: Path) -> dict[Any, Any]:
    """Read what `write` wrote."""
    values: dict[Any, Any] = {}
    with safe_open(file, "pt") as stored:
        for number, entry in enumerate(json.loads(stored.metadata()["entries"])):
            *way, last = (tuple(key) if isinstance(key, list) else key for key in entry["place"])
            inner = values
            for key in way:
                inner = inner.setdefault(key, {})
            if "value" in entry:
                inner[last] = entry["value"]
            elif "shape" in entry:
                indices, filled = (stored.get_tensor(f"{number} {part}") for part in ("indices", "values"))
                inner[last] = torch.sparse_coo_tensor(
                    indices, filled, entry["shape"], is_coalesced=True, check_invariants=True
                )
            else:
                inner[last] = stored.get_tensor(str(number))
    return values


def _leaves(values: Mapping[Any, Any], place: Place = ()) -> Iterator[tuple[Place, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*place, key))
        else:
            yield (*place, key), value


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what other packages print and warn of off the screen, such as PyG's 'Processing...'."""
    sink = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        warnings.simplefilter("ignore")
        yield
