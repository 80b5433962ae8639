"""The embedded text graph: what the documentation of five installed packages says, and where it points to."""

import hashlib
import importlib
import inspect
import pkgutil
import platform
import re
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from workbench.datasets.files.cache import publish, quiet
from workbench.datasets.files.formats import read_arrays

PACKAGES = {"numpy": "numpy", "scipy": "scipy", "networkx": "networkx", "sklearn": "scikit-learn", "pandas": "pandas"}
SHORT = {"np": "numpy", "sp": "scipy", "nx": "networkx", "pd": "pandas"}
# Not documentation for users, or second copies of another sub-package's documentation.
LEFT_OUT = {
    "numpy": ("char", "core", "distutils", "f2py", "lib", "matlib", "testing", "typing"),
    "networkx": ("utils",),
    "sklearn": ("externals", "experimental"),
    "pandas": ("api", "arrays", "compat", "core", "errors", "io", "testing", "util"),
}
# In sklearn's namespaces only once somebody has imported sklearn.experimental: never, so that it makes no difference.
EXPERIMENTAL = {"HalvingGridSearchCV", "HalvingRandomSearchCV", "IterativeImputer"}
SMALLEST_CLASS = 30
WORDS = 2000
STEP = 4096  # attributes are multiples of 1/4096, so their sums are exact and the same on each machine

_NAME = r"(?::(?:\w+:)*\w+:`[^`]+`|`[^`]+`|[A-Za-z_][\w.]*)"
_ITEM = re.compile(rf"({_NAME}(?:\s*,\s*{_NAME})*)\s*[,.]?\s*(?::(?:\s.*)?)?")
_SECTION = re.compile(r"^See [Aa]lso\n[-=]{3,} *\n(.*?)(?=^\S[^\n]*\n[-=]{3,} *$|\Z)", re.M | re.S)


class _Doc(NamedTuple):
    """One node to be: its docstring, its public names, simplest first, and the sub-package of the simplest."""

    text: str
    names: list[str]
    label: str


def pydocs() -> Data:
    """Build, or load from the cache, the graph of the documentation of numpy, scipy, networkx, scikit-learn and pandas.

    A node is a documented public function, class or method; objects with the same docstring are one node. Edges are
    the references of numpydoc's "See Also" sections, looked up as written, then within the class, the module and the
    package; both directions are stored. The label is the sub-package: the first two public parts of the module that
    defines the object. Sub-packages with fewer than 30 nodes are left out, and so is each node without an edge.
    Attributes are TF-IDF weights of the 2,000 commonest words of the docstrings, l2-normalised; the See Also section,
    every dotted name of a public object, and the words that spell a label or a package's usual short name are removed
    first, since they would give edge or label away. The graph is the same for the same versions of the packages and of
    Python; node_names are dotted names, feature_names are words.
    """
    seal = hashlib.sha256(Path(__file__).read_bytes())
    seal.update(f"{platform.python_version()} {platform.system()} {platform.machine()}".encode())
    for package in PACKAGES.values():
        seal.update(f"{package} {version(package)}".encode())
    folder = publish(
        f"graphs/pydocs-{seal.hexdigest()[:16]}", lambda fresh: np.savez_compressed(fresh / "graph.npz", **_build())
    )
    return read_arrays(folder / "graph.npz")


def _build() -> dict[str, Any]:
    docs = _collect()
    names = sorted(docs, key=_simplest)
    public = {alias: name for name in names for alias in docs[name].names}
    pairs = {
        (name, found)
        for name in names
        for reference in see_also(docs[name].text)
        if (found := _resolve(reference, docs[name].names, public)) not in (None, name)
    }
    labels = {name: docs[name].label for name in names}
    kept = _with_edges_in_large_classes(pairs, labels)
    nodes = [name for name in names if name in kept]
    place = {name: position for position, name in enumerate(nodes)}
    edges = torch.tensor(sorted((place[a], place[b]) for a, b in pairs if a in kept and b in kept)).T
    class_names, y = np.unique([labels[name] for name in nodes], return_inverse=True)
    x, words = _attributes([docs[name].text for name in nodes], class_names.tolist())
    return {
        "x": x,
        "edge_index": to_undirected(edges, num_nodes=len(nodes)).numpy(),
        "y": y,
        "class_names": class_names,
        "node_names": np.array(nodes),
        "feature_names": np.array(words),
    }


def _simplest(name: str) -> tuple[int, int, str]:
    return name.count("."), len(name), name


def _collect() -> dict[str, _Doc]:
    """Return {simplest name: docstring, all names and label} of every documented public object."""
    labels: dict[tuple[str, str], dict[str, str]] = {}  # (package, docstring) -> {name: label}
    with quiet():
        modules = [(package, module) for package in PACKAGES for module in _public_packages(package)]
        spaces = {module.__name__ for _, module in modules}
        for package, module in modules:
            for name, thing, home in _members(module, package):
                # networkx appends the names of whatever backends are installed.
                text = inspect.cleandoc(thing.__doc__).partition("Additional backends implement")[0].strip()
                upper = ".".join(home.split(".")[:2])
                labels.setdefault((package, text), {})[name] = upper if upper in spaces else package
    docs = {}
    for (_, text), by_name in labels.items():
        names = sorted(by_name, key=_simplest)
        docs[names[0]] = _Doc(text, names, by_name[names[0]])
    return docs


def _public_packages(name: str) -> Iterator[ModuleType]:
    module = importlib.import_module(name)
    yield module
    for entry in pkgutil.iter_modules(module.__path__):
        below = f"{name}.{entry.name}"
        if entry.name.startswith("_") or entry.name in ("tests", "conftest", *LEFT_OUT.get(name, ())):
            continue
        if entry.ispkg:
            yield from _public_packages(below)
        elif name in ("sklearn", "numpy.polynomial"):  # elsewhere a public plain module is a leftover of an old layout
            yield importlib.import_module(below)


def _members(module: ModuleType, package: str) -> Iterator[tuple[str, Any, str]]:
    """Give name, object and defining module of the documented callables that a module offers, methods included."""
    for name in getattr(module, "__all__", None) or [key for key in vars(module) if not key.startswith("_")]:
        thing = None if name in EXPERIMENTAL else getattr(module, name, None)
        # A ufunc doesn't know its module; it is offered first by the highest package that has it.
        home = getattr(thing, "__module__", None) or module.__name__
        if not _is_documented(thing) or home.partition(".")[0] != package:
            continue
        yield f"{module.__name__}.{name}", thing, home
        for owner in reversed(thing.__mro__ if isinstance(thing, type) else ()):
            if owner.__module__.partition(".")[0] == package:
                for key, value in vars(owner).items():
                    method = getattr(value, "__func__", value)
                    if not key.startswith("_") and not isinstance(method, type) and _is_documented(method):
                        yield f"{module.__name__}.{name}.{key}", method, owner.__module__


def _is_documented(thing: Any) -> bool:
    return callable(thing) and isinstance(getattr(thing, "__doc__", None), str)


def see_also(doc: str) -> list[str]:
    """Return the names in the "See Also" section of a docstring (cleaned), as written but for roles and backticks."""
    section = _SECTION.search(doc)
    names = []
    for line in inspect.cleandoc("\n" + section[1]).splitlines() if section else ():
        if entry := _ITEM.fullmatch(line.rstrip()):  # a continued description is indented and matches nothing
            written = (name.rpartition(":")[2] for name in re.findall(_NAME, entry[1]))
            names += [name.strip("`").lstrip("~.").rstrip(".") for name in written]
    return names


def _resolve(reference: str, aliases: list[str], public: dict[str, str]) -> str | None:
    """Return the node that a reference means, seen from an object with these names; the nearest scope wins."""
    head, dot, rest = reference.partition(".")
    reference = SHORT.get(head, head) + dot + rest
    scopes = [""]
    for alias in aliases:
        parts = alias.split(".")
        scopes += [".".join(parts[:depth]) + "." for depth in range(len(parts) - 1, 0, -1)]
    return next((public[scope + reference] for scope in scopes if scope + reference in public), None)


def _with_edges_in_large_classes(pairs: set[tuple[str, str]], labels: dict[str, str]) -> set[str]:
    """Drop small classes and nodes without an edge until neither is left."""
    kept = set(labels)
    while True:
        linked = {name for pair in pairs if kept.issuperset(pair) for name in pair}
        sizes = Counter(labels[name] for name in linked)
        large = {name for name in linked if sizes[labels[name]] >= SMALLEST_CLASS}
        if large == kept:
            return kept
        kept = large


def _attributes(texts: list[str], class_names: list[str]) -> tuple[np.ndarray, list[str]]:
    """Return TF-IDF weights [nodes, words] of docstrings from which what gives edge or label away is taken out."""
    telling = {part for label in class_names for word in label.split(".") for part in word.split("_")} | set(SHORT)
    dotted = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+")
    cleaned = [dotted.sub(" ", _SECTION.sub("", text)) for text in texts]
    ignored = sorted(telling | ENGLISH_STOP_WORDS)
    vectoriser = TfidfVectorizer(
        token_pattern=r"[A-Za-z]{3,}", stop_words=ignored, min_df=5, max_features=WORDS, sublinear_tf=True
    )
    x = vectoriser.fit_transform(cleaned).toarray()
    return (np.round(x * STEP) / STEP).astype(np.float32), vectoriser.get_feature_names_out().tolist()
