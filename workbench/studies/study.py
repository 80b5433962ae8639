"""`Study`: conditions × data × seeds × protocols as a frozen value, which is written and read as TOML."""

import html
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from workbench.config import options_of
from workbench.errors import UserError, unknown
from workbench.methods import METHODS
from workbench.studies import families

FOLDER = Path(__file__).parent
MOST = 100_000  # trainings of a study, all of which are planned before the first; of one second each they take a day


@dataclass(frozen=True)
class Condition:
    """One way to train.

    Attributes:
        name: what its rows are called. method, preset: what is trained.
        overrides: parameters that differ from the preset, as pairs of flat name and value, e.g. ("negatives.hops", 3).
        data: names of the data that it is meant for; empty for all of the study.
    """

    name: str
    method: str
    preset: str | None = "quick"
    overrides: tuple[tuple[str, Any], ...] = ()
    data: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One sentence as a quantity that can fail.

    Attributes:
        id: what it is asked for by. says: the sentence, in our words. source: whose; "" for one of our own.
        pairs: conditions that are held against each other, first and second.
        word: "as good as", "better than" or "worse than"; "" for a cost.
        least: how much "better than" or "worse than" it is said to be, in percentage points.
        protocol, measure: whose difference is meant; "" for the first of the study, and its first measure.
        data: names of the data that it is meant for; empty for all.
        cost: "seconds" to the accuracy of the second, or "peak_mib"; "" for a difference in accuracy.
        most: largest ratio of first to second of a cost. note: what a reader must know beside it.
    """

    id: str
    says: str
    pairs: tuple[tuple[str, str], ...]
    word: str = ""
    source: str = ""
    cost: str = ""
    most: float = 1.0
    least: float = 0.0
    protocol: str = ""
    measure: str = ""
    data: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Study:
    """Conditions that are trained on data over seeds and scored alike, and what is asked of the scores.

    Attributes:
        name, title: what it is called, and what it asks.
        conditions: what is trained. data: names or files. seeds: of the trainings.
        protocols: names; the first is what comparisons are made by, and of several those count that the data allow.
        splits: of each protocol. large_splits: of data with 10,000 items or more; 0 for as many.
        solver: of the probe; None for the protocol's own.
        baselines: what is scored without any training: "raw", "propagated", "hops".
        untrained: score each method's encoder before training as well, in the settings of its first condition.
        snapshots: score so many embeddings on the way of each training; 0 for the last one only.
        means: keep the mean over the splits and its spread, not each split: a tenth of the rows.
        lens: score all seeds of a condition together, by every protocol, with rows normalised and as they are.
        comparisons: pairs of conditions whose difference is asked for, first minus second.
        claims: sentences that the results decide.
        ranked: pairs of a protocol and a measure, the tasks over which its page has the conditions' mean ranks.
        supervised: whether its conditions may learn from labels, which are then compared with each other alone.
        notes: what a reader of its page must know, in Markdown.
    """

    name: str
    title: str = ""
    conditions: tuple[Condition, ...] = ()
    data: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    protocols: tuple[str, ...] = ("random-10-10-80",)
    splits: int = 10
    large_splits: int = 0
    solver: str | None = None
    baselines: tuple[str, ...] = ("propagated", "hops")
    untrained: bool = True
    snapshots: int = 0
    means: bool = False
    lens: bool = False
    comparisons: tuple[tuple[str, str], ...] = ()
    claims: tuple[Claim, ...] = ()
    ranked: tuple[tuple[str, str], ...] = ()
    supervised: bool = False
    notes: str = ""

    def __post_init__(self) -> None:
        names = [condition.name for condition in self.conditions]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"condition {twice!r} stands twice in study {self.name!r}", kind="condition", word=twice)
        seeds: Any = self.seeds
        if _counted(seeds, 0):
            check_size(self.name, seeds, f"{seeds:,} seeds")
            seeds = range(seeds)
        listed = isinstance(seeds, Sequence) and not isinstance(seeds, str) and len(seeds)
        if listed:
            check_size(self.name, len(seeds), f"{len(seeds):,} seeds")
        if not listed or not all(_counted(seed, 0) for seed in seeds):
            wanted = "a number of them, at least 1, or a list of whole numbers from 0"
            raise UserError(f"seeds are {wanted}, not {self.seeds!r}")
        object.__setattr__(self, "seeds", tuple(seeds))
        for name in ("data", "protocols", "baselines"):
            if isinstance(getattr(self, name), str):
                raise UserError(f"{name} are a list of names, not {getattr(self, name)!r}")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not _counted(self.splits, 1):
            raise UserError(f"a study takes a whole number of splits, at least 1 split, not {self.splits!r}")

    def _repr_html_(self) -> str:
        """Show a line per condition in a notebook, below what is asked."""
        import pandas as pd

        seeds = f"{len(self.seeds)} seed{'s' * (len(self.seeds) != 1)}"
        on = f"{', '.join(self.data) or 'any data'}, {seeds}, {', '.join(self.protocols) or 'no scores'}"
        rows = [
            (c.name, c.method, c.preset or "", ", ".join(f"{name}={value}" for name, value in c.overrides))
            for c in self.conditions
        ]
        table = pd.DataFrame(rows, columns=["condition", "method", "preset", "overrides"])
        shown = table.to_html(index=False, border=0)
        return f"<b>{html.escape(self.title or self.name)}</b><br>{html.escape(on)}{shown}"

    def changed(self, conditions: Iterable[str] | None = None, preset: str | None = None, **changes: Any) -> "Study":
        """Return the study with some of its conditions, other values of its fields, or other parameters.

        Args:
            conditions: names of those that stay; None for all. preset: of every condition.
            **changes: fields of the study, "protocol" for a single one; everything else is a parameter of the methods,
                set in all conditions. An option of a part goes to the conditions that choose a part which has it.

        Raises:
            UserError: an unknown condition, or a parameter in which the conditions differ.
        """
        chosen = self.conditions
        if conditions is not None:
            known = {condition.name: condition for condition in chosen}
            if isinstance(conditions, str):
                raise UserError(f"conditions are a list of names, e.g. {[*known][:2]}, not {conditions!r}")
            if missing := [name for name in conditions if name not in known]:
                raise unknown("condition", missing[0], known, f"of study {self.name!r}")
            chosen = tuple(known[name] for name in conditions)
        if preset is not None:
            chosen = tuple(replace(condition, preset=preset) for condition in chosen)
        if "protocol" in changes:
            changes["protocols"] = (changes.pop("protocol"),)
        own = {field.name: changes.pop(field.name) for field in fields(self) if field.name in changes}
        return replace(self, **own, conditions=_overridden(chosen, changes))

    def to_toml(self) -> str:
        """Write the study as TOML."""
        values, written = asdict(self), partial(json.dumps, ensure_ascii=False)
        tables = [(name, entry) for name in ("conditions", "claims") for entry in values.pop(name)]
        lines = [f"{name} = {written(value)}" for name, value in values.items() if value is not None]
        for table, entry in tables:
            overrides = entry.pop("overrides", ())
            lines += ["", f"[[{table}]]", *(f"{k} = {written(v)}" for k, v in entry.items() if v is not None)]
            lines += [f"overrides.{written(name)} = {written(value)}" for name, value in overrides]
        return "\n".join(lines) + "\n"


def check_size(study: str, trainings: int, words: str) -> None:
    """Raise a UserError where a study, by its name, has more trainings than `MOST`; `words` say what makes them."""
    if trainings > MOST:
        raise UserError(f"study {study!r} may have {MOST:,} trainings at most, and {words} are more", parameter="seeds")


def names() -> list[str]:
    """Return the names of the studies that come with the workbench."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def load(word: str, **changes: Any) -> Study:
    """Return a study by its name, or from a TOML file of yours; a UserError names the nearest where there is none.

    Beside the fields of `Study` a file may hold what all conditions have unless they say otherwise ("method",
    "preset", "overrides"), and a family of conditions by name, see `workbench.studies.families`.

    Args:
        word: a name of `names()`, or a path that ends in ".toml".
        **changes: options of the study's family (the table of that name in its file), "method" where it trains one, or
            as for `Study.changed`.
    """
    file = Path(word) if word.endswith(".toml") else FOLDER / f"{word}.toml"
    if not file.is_file():
        raise unknown("study", word, names())
    try:
        values = {"name": file.stem, **tomllib.loads(file.read_text(encoding="utf-8"))}
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{file} is not TOML: {error}") from None
    usual: dict[str, Any] = {name: values.pop(name) for name in ("method", "preset", "overrides") if name in values}
    if "method" in usual and "method" in changes:
        usual["method"] = changes.pop("method")
    made: dict[str, list[Any]] = {"conditions": [], "comparisons": []}
    for family in [name for name in values if name in families.FAMILIES]:
        options = values.pop(family)
        options |= {name: changes.pop(name) for name in options if name in changes}
        made = families.FAMILIES[family](usual, options)
    entries = [*values.pop("conditions", []), *made["conditions"]]
    conditions = [_entry(Condition, _with_usual(usual, entry)) for entry in entries]
    claims = [_entry(Claim, claim) for claim in families.filled(values.pop("claims", []), made.get("ks", []))]
    comparisons = [*values.pop("comparisons", []), *made["comparisons"]]
    values |= {"conditions": conditions, "claims": claims, "comparisons": comparisons}
    if values.get("protocols"):  # without any of its own, a lens looks through all
        values["protocols"] = [*dict.fromkeys([*values["protocols"], *made.get("protocols", [])])]
    return _entry(Study, values).changed(**changes)


def sweep(methods: Iterable[str], presets: Iterable[str | None], seeds: Any = 3, **overrides: Any) -> Study:
    """Return a study that trains methods with presets and scores nothing."""
    name = "{0}" if len([*presets]) == 1 else "{0}, {1}"
    conditions = tuple(Condition(name.format(*pair), *pair) for pair in product(methods, presets))
    for condition in conditions:
        METHODS.get(condition.method)  # a misspelt one is told before anything is planned
    return Study("sweep", conditions=conditions, seeds=seeds, protocols=(), baselines=()).changed(**overrides)


def _with_usual(usual: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    overrides = {**usual.get("overrides", {}), **entry.get("overrides", {})}
    return {**usual, **entry, "overrides": overrides}


def _entry(made: Any, values: Mapping[str, Any]) -> Any:
    known = [field.name for field in fields(made)]
    if wrong := next((name for name in values if name not in known), None):
        raise unknown("word", wrong, known, f"in a {made.__name__.lower()}")
    return made(**{name: _frozen(value) for name, value in values.items()})


def _frozen(value: Any) -> Any:
    """Return lists as tuples, and a mapping as its pairs."""
    value = [*value.items()] if isinstance(value, Mapping) else value
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _counted(value: Any, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _overridden(conditions: Iterable[Condition], overrides: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Set parameters in all conditions; an option goes to those whose parts have it."""
    conditions, unused = tuple(conditions), set(overrides)
    if fixed := sorted(set(overrides) & {name for condition in conditions for name, _ in condition.overrides}):
        raise UserError(f"{fixed[0]!r} is what the conditions differ in, so it can't be set for all of them")
    changed = []
    for condition in conditions:
        mine = {name: value for name, value in overrides.items() if not _foreign(condition, name)}
        unused -= set(mine)
        changed.append(replace(condition, overrides=(*condition.overrides, *_frozen(mine))))
    if unused:
        raise UserError(f"{sorted(unused)[0]!r} is an option of parts that no condition chooses")
    return tuple(changed)


def _foreign(condition: Condition, name: str) -> bool:
    """Return whether a name is an option of a part that this condition doesn't choose."""
    config = METHODS.get(condition.method).Config
    if name in config.types():
        return False
    holder, dot, option = name.rpartition(".")
    homes = {part: registry for part, registry in config.parts().items() if not dot or part == holder}
    chosen = {part: str(dict(condition.overrides).get(part, getattr(config, part).name)) for part in homes}
    if any(option in options_of(registry, chosen[part]) for part, registry in homes.items()):
        return False
    return any(option in options_of(registry, name) for registry in homes.values() for name in registry.names())
