"""When a widget shows its first picture: against its map with how faithful that is, for which it waited once."""

import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from torch_geometric.data import Data

import workbench as wb
from benchmarks import BENCHMARKS
from benchmarks.measure import Rows, row
from workbench import widgets
from workbench.evaluation import neighbourhoods
from workbench.widgets import shell

MUST, LIMIT = "first picture in at most 2 s", 2.0


class _Nobody:
    """Computes nothing beside the kernel, so that a first picture leaves no work to what is timed next."""

    def submit(self, *_: Any) -> "Future[Any]":
        return Future()


def _first(open_widget: Callable[[], Any]) -> None:
    with patch.object(shell, "_beside", _Nobody):
        open_widget()


def _whole(open_widget: Callable[[], Any]) -> None:
    open_widget().wait()


def _opened(case: str, open_widget: Callable[[], Any], repeats: int = 1, run: wb.Run | None = None) -> dict[str, Any]:
    """Open a widget whose maps nobody has stored, until all of it is there and until the first picture is."""

    def fresh(until: Callable[[Callable[[], Any]], None]) -> None:
        if run is not None and run.path:
            shutil.rmtree(run.path / "maps", ignore_errors=True)
        until(open_widget)

    return row(case, partial(fresh, _whole), partial(fresh, _first), repeats, must=MUST, limit_seconds=LIMIT)


def _trained(method: str, graph: Data, store: str, preset: str, **parameters: Any) -> wb.Run:
    return wb.fit(method, graph, preset, store=store, progress=False, **parameters)


@BENCHMARKS.register("widgets")
def opening() -> Rows:
    """The first picture of explorer and microscope against the map itself, measured, for which they waited once."""
    graph, large = wb.load_graph("pubmed"), wb.load_graph("planted:100000")
    python = partial(subprocess.run, check=True)
    imports = ([sys.executable, "-c", f"import {words}workbench.widgets"] for words in ("nbformat, ", ""))
    rows = [row("importing the widgets, a new process", *(partial(python, words) for words in imports), 2)]
    with tempfile.TemporaryDirectory() as store:
        run = _trained("grace", graph, store, "pubmed", epochs=1)
        wide = _trained("e2neg", graph, store, "pubmed", epochs=1)
        many = _trained("dgi", large, store, "quick", epochs=1)
        explore, look = widgets.embedding_explorer, widgets.microscope
        scope: Any = look(graph, embedding=run)
        scope.wait()
        more = itertools.cycle(range(1, 64))
        rows += [
            _opened("explorer, UMAP, PubMed", partial(explore, run, graph), run=run),
            _opened("explorer, PCA, PubMed", partial(explore, run, graph, method="pca"), run=run),
            _opened("explorer, PCA of 4,096 dimensions, PubMed", partial(explore, wide, graph, method="pca"), run=wide),
            _opened("microscope of a run, PubMed", partial(look, graph, embedding=run)),
            _opened("microscope of 4,096 dimensions, PubMed", partial(look, graph, embedding=wide)),
            _opened("microscope of the attributes, PubMed", partial(look, graph)),
            row("microscope, another k, PubMed", None, lambda: setattr(scope.k, "value", next(more)), must=MUST),
            _opened("explorer, PCA, 10^5 nodes", partial(explore, many, large, method="pca"), run=many),
            _opened("microscope of a run, 10^5 nodes", partial(look, large, embedding=many)),
        ]
    return [*rows, _neighbours()]


def _neighbours() -> dict[str, Any]:
    """Race the search by blocks against scikit-learn's; the recall is that of the 15 nearest by scikit-learn."""
    rows = normalize(np.random.default_rng(0).normal(size=(8_000, 4_096)).astype(np.float32))
    library = NearestNeighbors(n_neighbors=neighbourhoods.NEIGHBOURS, algorithm="brute").fit(rows)
    search = partial(neighbourhoods.search, rows, neighbourhoods.NEIGHBOURS)
    recall = float(neighbourhoods.shared(search().indices, library.kneighbors()[1]).mean())
    return row("15 nearest of 8,000 x 4,096", library.kneighbors, search, 1, recall=recall)
