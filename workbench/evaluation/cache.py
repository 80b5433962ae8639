"""What was computed once and is kept in files: scores beside a stored run, and the arrays of maps."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from workbench import atomic
from workbench.atomic import Damaged
from workbench.errors import warn

_OWN = "kept_as"  # the array that names the file that a map was written to


def digest(*arrays: Any) -> str:
    """Return a hash of arrays and sparse matrices, their shapes and types included."""
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(repr((array.shape, str(array.dtype))).encode())
        for part in (array.indptr, array.indices, array.data) if sp.issparse(array) else (array,):
            hashed.update(np.ascontiguousarray(part).data)
    return hashed.hexdigest()


def scores(
    folder: Path, asked: dict[str, Any], fresh: bool, compute: Callable[[], dict[str, Any]], sealed: bool = True
) -> dict[str, Any]:
    """Return the scores, as plain values, that a folder keeps for what is asked; else compute and keep them.

    A file that can't be used is warned of and written again; `fresh` looks for none. `sealed` takes none without a
    checksum, which runs have that were stored before there were any.
    """
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    file = folder / f"{asked['protocol']}-{key}.json"
    if file.exists() and not fresh:
        try:
            kept = atomic.unsealed(file.read_text(encoding="utf-8"), required=sealed)
            if kept.pop("asked") == asked:
                return kept
            reason = "it answers another question"
        except (OSError, ValueError, KeyError) as error:
            reason = str(error) if isinstance(error, Damaged) else f"{type(error).__name__}: {error}"
        warn(f"stored scores {file} are not usable and are computed again ({reason})")
    computed = compute()
    text = json.dumps(atomic.sealed(computed | {"asked": asked}), indent=1, allow_nan=False)
    failure = "scores could not be kept beside the run and will be computed again"
    _keep(file, lambda draft: draft.write_text(text, encoding="utf-8"), failure)
    return computed


def arrays(file: Path | None, compute: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the arrays that a file keeps by name; else compute them and keep them there, None for nowhere.

    A file that can't be used is warned of and written again.
    """
    kept = known(file)
    if kept is not None:
        return kept
    computed = compute()
    if file:
        named = {**computed, _OWN: np.array(file.name)}
        failure = "the map was not kept, it will be computed again next time"
        _keep(file, lambda draft: np.savez(draft, **named), failure)
    return computed


def known(file: Path | None) -> Mapping[str, Any] | None:
    """Return the arrays that a file keeps by name, None where there are none that can be used."""
    if file is None or not file.exists():
        return None
    try:
        with np.load(file, allow_pickle=False) as read:  # holds each array against its checksum
            kept = dict(read)
        if (own := str(kept.pop(_OWN, file.name))) == file.name:
            return kept
        reason = f"it is {own}"
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        reason = f"{type(error).__name__}: {error}"
    warn(f"the stored map {file} is not usable and is computed again ({reason})")
    return None


def _keep(file: Path, write: Callable[[Path], object], failure: str) -> None:
    """Write a file so that a reader sees all of it or none; a folder that can't be written is a warning, not fatal."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic.whole(file) as draft:
            write(draft)
    except OSError as error:
        warn(f"{failure}: {error}")
