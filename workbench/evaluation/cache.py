"""Scores kept beside a stored run, one file for each thing that was asked."""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable
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


def file_of(run: object, asked: dict[str, Any]) -> Path | None:
    """Return where the answer to what was asked is kept, None for a matrix or a run outside a store."""
    folder = getattr(run, "path", None)
    if folder is None:
        return None
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    return Path(folder) / "scores" / f"{asked['protocol']}-{key}.json"


def load(file: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """Return stored scores as plain values; None, with a warning if there is a file, where they can't be used."""
    if not file.exists():
        return None
    try:
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if kept.pop("asked") == asked:
            return kept
        reason = "it answers another question"
    except (OSError, ValueError, KeyError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
    warnings.warn(f"stored scores {file} are not usable and are computed again ({reason})", stacklevel=3)
    return None


def store(file: Path, asked: dict[str, Any], scores: dict[str, Any]) -> None:
    """Keep scores as plain values with what was asked."""
    text = json.dumps(scores | {"asked": asked}, indent=1, allow_nan=False)
    failure = "scores could not be kept beside the run and will be computed again"
    write_whole(file, lambda part: part.write(text.encode()), failure)


def write_whole(file: Path, write: Callable[[IO[bytes]], object], failure: str) -> None:
    """Write a file so that a reader sees all of it or none; a folder that can't be written is a warning, not fatal."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
            write(part)
        os.replace(part.name, file)
    except OSError as error:
        warnings.warn(f"{failure}: {error}", stacklevel=4)
