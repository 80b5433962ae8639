"""Scores kept beside a stored run, one file for each thing that was asked."""

import hashlib
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp


def digest(*arrays: Any) -> str:
    """Return a hash of arrays and sparse matrices, their shapes and types included."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(repr((array.shape, str(array.dtype))).encode())
        for part in (array.indptr, array.indices, array.data) if sp.issparse(array) else (array,):
            found.update(np.ascontiguousarray(part).data)
    return found.hexdigest()


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
    """Write the whole file or nothing: readers of a shared store never see half a file."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".part", delete=False, encoding="utf-8") as part:
            json.dump(scores | {"asked": asked}, part, indent=1, allow_nan=False)
        os.replace(part.name, file)
    except OSError as error:
        warnings.warn(f"scores could not be kept beside the run and will be computed again: {error}", stacklevel=3)
