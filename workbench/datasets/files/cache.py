"""The cache folder, where processed copies of graphs are kept; a data root is never written for that."""

import contextlib
import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from platformdirs import user_cache_path

from workbench.errors import UserError


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
        staging = Path(tempfile.mkdtemp(prefix=".building-", dir=final.parent))
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what other packages print and warn of off the screen, such as PyG's 'Processing...'."""
    sink = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        warnings.simplefilter("ignore")
        yield
