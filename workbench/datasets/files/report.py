"""What was understood of a person's file: read, changed, left out, each with a count and the first examples."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from workbench.errors import warn
from workbench.text import markup, visible

Kind = Literal["read", "changed", "left out"]
KINDS: tuple[Kind, ...] = ("read", "changed", "left out")
EXAMPLES = 3
CLIPPED = 60  # letters of an example
COLUMNS = ["part", "column", "kind", "distinct", "first", "read as"]


@dataclass
class Report:
    """What `load_graph` made of a source; it lies in `graph.report`.

    Attributes:
        source: name of the file, or of the kind of object.
        lines: (kind, what, count, examples); kind is "read", "changed" or "left out".
        roles: one per column of its tables: part ("edges" or "nodes"), column, kind ("numbers", "words" or "text"),
            distinct values, first value, and what it was read as.
    """

    source: str
    lines: list[tuple[Kind, str, int | None, str]] = field(default_factory=list)
    roles: list[tuple[str, str, str, int, str, str]] = field(default_factory=list)
    _warned: list[str] = field(default_factory=list)

    def add(
        self, kind: Kind, what: str, count: int | None = None, examples: Iterable[Any] = (), warn: bool = False
    ) -> None:
        """Add a line; with `warn` it is also in the one warning that loading ends with."""
        shown = "; ".join(clipped(example) for _, example in zip(range(EXAMPLES), examples, strict=False))
        self.lines.append((kind, what, count, shown))
        if warn:
            self._warned.append(what if count is None else f"{what}: {count:,}")

    def column(self, part: str, name: str, values: pd.Series, role: str) -> None:
        """Note what a column of a table was read as; a later note on it takes the place of an earlier one."""
        texts = values.astype(str)
        filled = texts[values.notna() & (texts != "")]
        first = clipped(filled.iloc[0]) if len(filled) else ""
        row = (part, str(name), kind_of(filled), int(filled.nunique()), first, role)
        self.roles = [other for other in self.roles if other[:2] != row[:2]] + [row]

    def warn(self) -> None:
        """Say on the screen, once, what a user must know; the rest stands in the report."""
        if self._warned:
            more = "" if len(self.lines) == len(self._warned) else " (graph.report.text tells all)"
            warn(f"{self.source}: {'; '.join(self._warned)}{more}")
            self._warned = []

    def table(self) -> pd.DataFrame:
        """Return the lines as a table: kind, what, count (None where nothing was counted), examples."""
        return pd.DataFrame(self.lines, columns=["kind", "what", "count", "examples"]).astype({"count": "Int64"})

    @property
    def columns(self) -> pd.DataFrame:
        """What each column of its tables was read as, see `roles`."""
        return pd.DataFrame(self.roles, columns=COLUMNS)

    def __str__(self) -> str:
        counts = Counter(kind for kind, *_ in self.lines)
        return f"Report of {self.source}: " + ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])

    @property
    def text(self) -> str:
        """All lines as text."""
        texts = [self.source]
        for kind, what, count, examples in self.lines:
            number = "" if count is None else f": {count:,}"
            texts.append(f"  {kind:<10}{what}{number}" + (f" ({examples})" if examples else ""))
        return "\n".join(texts)

    def _repr_html_(self) -> str:
        cells = [
            (kind, what, "" if count is None else f"{count:,}", examples) for kind, what, count, examples in self.lines
        ]
        left = ' style="text-align:left"'  # which notebooks set otherwise; these columns are prose
        rows = "".join(f"<tr>{''.join(f'<td{left}>{markup(cell)}</td>' for cell in line)}</tr>" for line in cells)
        titles = ("", f"of {markup(self.source)}", "count", "first examples")
        heads = "".join(f"<th{left}>{title}</th>" for title in titles)
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def clipped(value: Any) -> str:
    """Return a value as printable text on one line, cut where it is long."""
    text = visible(value).strip()
    return text if len(text) <= CLIPPED else text[: CLIPPED - 1] + "…"


def all_numbers(values: pd.Series) -> bool:
    """Return whether each of some texts is a number; the first of them tell it of words, which take pandas long."""
    return all(bool(pd.to_numeric(part, errors="coerce").notna().all()) for part in (values[:100], values))


def kind_of(values: pd.Series) -> str:
    """Return "numbers", "words" or, where most values are of several words each and differ, "text"."""
    words = values.astype(str)
    own = words.drop_duplicates()
    if len(own) and all_numbers(own):
        return "numbers"
    if len(own) <= len(words) / 2:
        return "words"
    # A title has as many, a name and a place have fewer; dates and other numbers with signs have no words.
    several = ((words.str.count(r"\w+") >= 4) & words.str.contains(r"[^\W\d_]{2}")).mean()
    return "text" if several > 0.5 else "words"


def listed(names: Sequence[str], most: int = 12) -> str:
    """Return names in quotes, the first of them where they are many."""
    shown = ", ".join(repr(clipped(name)) for name in names[:most])
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "") if names else "none"
