"""Published numbers, planned trainings and switches between paper and release, read from the methods' TOML files."""

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from workbench.errors import UserError, unknown
from workbench.methods import METHODS
from workbench.methods.presets import file_of

RAW = "raw"


@dataclass(frozen=True)
class Cell:
    """One published number.

    Attributes:
        id: what it is asked for by, e.g. "str-gcl/cora". paper: the method of the paper in which it stands.
        method, graph: of what; "raw" for raw attributes. Methods that the workbench doesn't have are kept as they are.
        value: accuracy in percent. spread: its standard deviation over the splits, None where none was given.
        splits: how many. protocol: its name here. preset: the settings to hold against it. None where they are not
            known.
        source: where the number was read. obtained: "first-hand", "second-hand" or "third-party".
        reason: why it can't be compared, None where it can.
    """

    id: str
    paper: str
    method: str
    graph: str
    value: float
    source: str
    obtained: str
    spread: float | None = None
    splits: int | None = None
    protocol: str | None = None
    preset: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Training:
    """Trainings that were planned beside the published numbers, and with how many seeds."""

    method: str
    graph: str
    seeds: int
    preset: str = "released"

    @property
    def id(self) -> str:
        """What it is asked for by, e.g. "e2neg/photo"."""
        return f"{self.method}/{self.graph}"


@cache
def entries(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the tables of a name ("cell", "training", "switch") in the files of all methods, each with the method."""
    files = {method: file_of(method) for method in METHODS.names()}
    tables = {method: tomllib.loads(file.read_text("utf-8")) for method, file in files.items() if file.exists()}
    return [(method, entry) for method, table in tables.items() for entry in table.get(name, [])]


def cells() -> list[Cell]:
    """Return every published number."""
    return [Cell(paper=method, **entry) for method, entry in entries("cell")]


def trainings() -> list[Training]:
    """Return every training that was planned."""
    return [Training(method, **entry) for method, entry in entries("training")]


def switches(method: str) -> dict[str, dict[str, Any]]:
    """Return, by name, the parameters that each switch of a method between paper and release sets; refuse others."""
    if method not in (known := {name for name, _ in entries("switch")}):
        raise unknown("method", method, known, "with switches between paper and release")
    return {entry["name"]: entry["set"] for name, entry in entries("switch") if name == method}


def _known() -> dict[str, Cell | Training]:
    return {**{training.id: training for training in trainings()}, **{cell.id: cell for cell in cells()}}


def runnable() -> list[str]:
    """Return the ids of what can be trained here, sorted."""
    return sorted(name for name, claim in _known().items() if not _refusal(claim))


def find(word: str) -> Cell | Training:
    """Return a published number by its id, else a planned training; a UserError names the nearest where none is."""
    known = _known()
    if word not in known:
        raise unknown("claim", word, known)
    return known[word]


def trainable(word: str) -> Cell | Training:
    """Return what `find` does; a UserError says why where it can't be trained here."""
    claim = find(word)
    if refusal := _refusal(claim):
        raise UserError(f"{claim.id} {refusal}")
    return claim


def _refusal(claim: Cell | Training) -> str:
    """Return why a claim can't be trained here, "" where it can."""
    if isinstance(claim, Cell) and claim.reason:
        return f"can't be compared: {claim.reason}"
    if claim.method == RAW:
        return f"needs no training: it is scored beside any training on {claim.graph}"
    known = claim.method in METHODS.names() and claim.preset is not None
    return "" if known else f"can't be run: {claim.method} is not in the workbench"
