"""Published numbers and sentences, read from the TOML files beside this one."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workbench.errors import unknown

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Cell:
    """One published number.

    Attributes:
        id: what it is asked for by, e.g. "str-gcl/cora".
        paper: whose page it stands on, the name of its file.
        method, graph: of what; "raw" for raw attributes. Methods that the workbench doesn't have are kept as they are.
        value: accuracy in percent. spread: its standard deviation over the splits, None where none was given.
        splits: how many; None where it is not known. protocol: its name here; None where it is not known.
        preset: the settings to hold against it; None where they are not known.
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
    """Trainings that were planned beside the published numbers: method, graph, preset, and how many seeds."""

    method: str
    graph: str
    seeds: int
    preset: str = "released"

    @property
    def id(self) -> str:
        """What it is asked for by, e.g. "e2neg/photo"."""
        return f"{self.method}/{self.graph}"


@dataclass(frozen=True)
class Sentence:
    """One sentence of a paper as a quantity that can fail.

    Attributes:
        id: what it is asked for by. says: the sentence, in our words. source: whose.
        results: which stored results decide: "negatives", "placebo", "claims" or "courses".
        first, second: the arms; "{k}" stands for each number of `k`.
        word: "as good as", "better than" or "worse than"; "" for a cost.
        k: numbers of negatives. column: of a cost, "seconds" to the accuracy that is asked for, or "peak MiB".
        most: largest ratio of first to second of a cost. note: what a reader must know beside it.
    """

    id: str
    says: str
    source: str
    results: str
    first: str
    second: str
    word: str = ""
    k: tuple[int, ...] = ()
    column: str = ""
    most: float = 1.0
    note: str = ""


@cache
def cells() -> tuple[Cell, ...]:
    """Return every published number."""
    return tuple(Cell(paper=file.stem, **one) for file in sorted(FOLDER.glob("*.toml")) for one in _read(file, "cell"))


@cache
def trainings() -> tuple[Training, ...]:
    """Return every training that was planned."""
    return tuple(Training(**one) for file in sorted(FOLDER.glob("*.toml")) for one in _read(file, "training"))


@cache
def changes() -> dict[str, dict[str, dict[str, Any]]]:
    """Return, by method and name, the parameters that a switch between paper and release sets."""
    found = {file.stem: {one["name"]: one["set"] for one in _read(file, "switch")} for file in FOLDER.glob("*.toml")}
    return {method: found[method] for method in sorted(found) if found[method]}


@cache
def sentences() -> tuple[Sentence, ...]:
    """Return every sentence."""
    return tuple(
        Sentence(**{**one, "k": tuple(one.get("k", ()))}) for one in _read(FOLDER / "sentences.toml", "sentence")
    )


def find(word: str) -> Cell | Training:
    """Return a published number by its id, or a planned training where no number was published of it.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    known: dict[str, Cell | Training] = {one.id: one for one in trainings()}
    known |= {one.id: one for one in cells()}
    if word not in known:
        raise unknown("claim", word, known)
    return known[word]


def _read(file: Path, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(file.read_text(encoding="utf-8")).get(kind, [])
    return found
