"""What was computed once and is kept in files: scores beside a stored run, and the arrays of maps."""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy.sparse as sp


def digest(*arrays: Any) -> str:
    """Return a hash of arrays and sparse matrices, their shapes and types included."""
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(repr((array.shape, str(array.dtype))).encode())
        for part in (array.indptr, array.indices, array.data) if sp.issparse(array) else (array,):
            hashed.update(np.ascontiguousarray(part).data)
    return hashed.hexdigest()


def scores(folder: Path, asked: dict[str, Any], fresh: bool, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the scores, as plain values, that a folder keeps for what is asked; else compute and keep them.

    A file that can't be used is warned of and written again; `fresh` looks for none.
    """
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    file = folder / f"{asked['protocol']}-{key}.json"
    if file.exists() and not fresh:
        try:
            kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if kept.pop("asked") == asked:
                return kept
            reason = "it answers another question"
        except (OSError, ValueError, KeyError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
        warnings.warn(f"stored scores {file} are not usable and are computed again ({reason})", stacklevel=3)
    computed = compute()
    text = json.dumps(computed | {"asked": asked}, indent=1, allow_nan=False)
    failure = "scores could not be kept beside the run and will be computed again"
    _write_whole(file, lambda part: part.write(text.encode()), failure)
    return computed


def arrays(file: Path | None, compute: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the arrays that a file keeps by name; else compute them and keep them there, None for nowhere."""
    if file and file.exists():
        with np.load(file, allow_pickle=False) as kept:
            return dict(kept)
    computed = compute()
    if file:
        failure = "the map was not kept, it will be computed again next time"
        _write_whole(file, lambda part: np.savez(part, **computed), failure)
    return computed


def _write_whole(file: Path, write: Callable[[IO[bytes]], object], failure: str) -> None:
    """Write a file so that a reader sees all of it or none; a folder that can't be written is a warning, not fatal."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
            write(part)
        os.replace(part.name, file)
    except OSError as error:
        warnings.warn(f"{failure}: {error}", stacklevel=4)
