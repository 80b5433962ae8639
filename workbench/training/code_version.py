"""What decides the bits of a run besides the request: the code, and the versions of the packages below it."""

import ast
import hashlib
import importlib.metadata
import inspect
import platform
from functools import cache
from pathlib import Path
from typing import Any

import workbench
from workbench.config import Parameters
from workbench.methods import METHODS
from workbench.registry import Registry

# What words go through, but no number of a run.
_WORDS = ("errors.py", "registry.py", "rules/explanation.py")
_PACKAGES = ("torch", "torch-geometric", "numpy", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the versions that decide a run's bits."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "workbench": workbench.__version__, **packages}


def code_version(method: str, config: Parameters, stop: str | None = None) -> str:
    """Return a hash of the code that decides what a method learns, so that a change of it is a new run.

    That is the method's file and those of the parts that its configuration names, what they import of this package,
    directly or not, and the training loop; where a moment is chosen, also what looks for it. Comments, docstrings and
    line breaks don't count.
    """
    chosen = sorted((name, getattr(config, name).name) for name in config.parts())
    return _version(method, tuple((type(config).parts()[name], part) for name, part in chosen), stop is not None)


@cache
def _version(method: str, parts: tuple[tuple[Registry[Any], str], ...], chooses: bool = False) -> str:
    training = Path(workbench.__file__).parent / "training"
    files, own = [*_sources(Path(inspect.getfile(METHODS.get(method)))), training / "loop.py"], ""
    if chooses:
        files += [source for source in _sources(training / "watch.py") if source not in files]
    for registry, name in parts:
        part = registry.get(name)
        file = Path(inspect.getfile(part))
        if file.is_file():
            files += [source for source in _sources(file) if source not in files]
        else:  # it was written in a notebook
            own += inspect.getsource(part)
    return hashlib.sha256("\0".join([*map(_code, files), own]).encode()).hexdigest()[:12]


def _sources(file: Path) -> list[Path]:
    """Return a source file and every file of this package that it imports, directly or not."""
    sources = [file]
    for source in sources:  # grows while it is walked
        imported = _imported(source.read_text(encoding="utf-8"))
        sources += [file for file in imported if file not in sources]
    return sources


@cache
def _imported(source: str) -> list[Path]:
    """Return the files of this package that source code imports by name, without those of words."""
    package, names, found = Path(workbench.__file__).parent, list[str](), list[Path]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):  # of a package perhaps: what is named may be a module
            names += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    for name in names:
        top, *parts = name.split(".")
        if top == package.name and parts:
            place = package.joinpath(*parts)
            files = [file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()]
            found += [file for file in files if file.relative_to(package).as_posix() not in _WORDS]
    return [*dict.fromkeys(found)]


def _code(file: Path) -> str:
    """Return the code of a source file without its comments and docstrings."""
    return _bare(file.read_text(encoding="utf-8"))


@cache
def _bare(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        named = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, named) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
