"""Tables of text: encoding, separator, comments, header and decimal commas are found out and told."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.datasets.files.content import decoded, read_bytes
from workbench.datasets.files.report import Report, all_numbers, clipped, listed
from workbench.errors import UserError
from workbench.text import composed, uncell

TABLES = (".csv", ".tsv", ".txt", ".edges", ".tab", ".dat")
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}
_ORDER = {".csv": ",;\t|", ".tsv": "\t,;| ", ".tab": "\t,;| "}
_ANY = "\t,;| "
SAMPLE = 100  # lines that separator and header are found out from
ADJACENCY = ".adjlist"
LISTED = f"an adjacency list is read where each name begins one line, or from a file that ends in {ADJACENCY}"
LONGEST = 1 << 20  # letters of a line; longer ones are no table
COMMENT = re.compile(r"^[ \t]*(?:#|%).*$", re.MULTILINE)
NAMED = {"id", "node", "nodeid", "name", "label", "class", "y", "weight", "type", "value"}


@dataclass(frozen=True)
class Reading:
    """How a person wants a table to be read; None leaves it to what the file looks like.

    Attributes:
        header: whether the first line names the columns.
        separator: what stands between fields, by itself or as one of SEPARATORS.
        comment: what a line of comment begins with, "" where there are none.
        source, target: names or numbers (from 0) of the columns with the ends of an edge.
        weight: name or number of the column with the weights, False for none.
    """

    header: bool | None = None
    separator: str | None = None
    comment: str | None = None
    source: str | int | None = None
    target: str | int | None = None
    weight: str | int | bool | None = None


def is_table(path: Path) -> bool:
    """Return whether a file is a table of text by its ending; .gz of one is."""
    return ending(path) in TABLES


def ending(path: Path) -> str:
    """Return the ending of a file's name in small letters, without a .gz after it."""
    endings = [suffix.lower() for suffix in path.suffixes]
    return endings[-2] if endings[-1:] == [".gz"] and len(endings) > 1 else (endings[-1] if endings else "")


def read_table(
    path: Path, report: Report | None = None, reading: Reading | None = None, edges: bool = False
) -> pd.DataFrame:
    """Read a table of text; all values stay text, numbers with decimal commas get points.

    With `edges` an adjacency list is read, too, as a table of "source" and "target".

    Returns:
        one row per line; columns are called as the header says, by numbers from 0 where there is none.

    Raises:
        UserError: no such file, no table, or lines of different length, the first of which is named.
    """
    report, reading = report or Report(path.name), reading or Reading()
    text = decoded(read_bytes(path), path, report).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise UserError(f"{path} can't be read as a table: it is empty")
    if text.find("\n", 0, LONGEST) < 0 and len(text) > LONGEST:
        raise UserError(f"{path} can't be read as a table: its first line has more than {LONGEST:,} letters")
    separator = _separator(text, path, reading, report)
    text, names = _without_comments(text, separator, path, reading, report)
    if not text.strip():
        raise UserError(f"{path} can't be read as a table: it holds nothing but comments")
    if edges and (lists := _lists(text, separator, path, reading, report)) is not None:
        return lists
    try:
        table = pd.read_csv(
            io.StringIO(text),
            sep=r"\s+" if separator == " " else separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            na_filter=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        hint = f"; {LISTED}" if edges and "Expected" in str(error) else ""
        raise UserError(
            f"{path} can't be read as a table: {str(error).strip().splitlines()[-1][:160]}{hint}"
        ) from error
    table = pd.DataFrame({place: _cleaned(table[place]) for place in table}, table.index)
    table = _with_header(table, names, reading, report)
    if separator != ",":
        for column in table:
            table[column] = _points(table[column], str(column), report)
    return table


def _cleaned(column: pd.Series) -> pd.Series:
    """Return a column without blanks around its values and what keeps spreadsheets from computing; "" where none is."""
    codes, own = pd.factorize(column)  # a node stands in many edges; a value that is missing has the code -1
    return pd.Series(
        np.array([*(uncell(value.strip()) for value in own.astype(object)), ""], dtype=object)[codes], column.index, str
    )


def _lists(text: str, separator: str, path: Path, reading: Reading, report: Report) -> pd.DataFrame | None:
    """Return the edges of an adjacency list, and its nodes in attrs["nodes"]; None where the text is another table.

    It is one where each name begins one line and lines differ in length, or where the file's name says so.
    """
    asked, sample = ending(path) == ADJACENCY, _fields(text[:LONGEST].split("\n")[:SAMPLE], separator)
    if not asked and (reading.header or reading.source is not None or not _ragged(sample)):
        return None
    rows = [[uncell(name.strip()) for name in row if name.strip()] for row in _fields(text.split("\n"), separator)]
    rows = [row for row in rows if row]
    shown = map(" ".join, rows)
    nodes, others = {composed(row[0]) for row in rows}, {composed(name) for row in rows for name in row[1:]}
    # Lines of two and three numbers may as well be edges of which some have a weight.
    told = any(len(row) == 1 or len(row) > 3 for row in rows) or not all(map(str.isdecimal, nodes))
    if not asked and not (others and others <= nodes and len(nodes) == len(rows) and told):
        ends = {name for row in rows for name in row[:2]}
        if max(map(len, rows)) > 3 and not looks_named(rows[0]) and any(ends & {*row[2:]} for row in rows):
            report.add("changed", f"lines of different length, each read as one edge; {LISTED}", len(rows), shown, True)
        return None
    pairs = [(row[0], name) for row in rows for name in row[1:]]
    report.add("read", "an adjacency list: the first name of each line is joined to the others", len(rows), shown)
    table = pd.DataFrame(pairs, columns=["source", "target"], dtype=str)
    table.attrs["nodes"] = [row[0] for row in rows]
    return table


def _ragged(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether lines end after different numbers of fields, empty ones at their ends left out."""
    return (
        len({max((place for place, field in enumerate(row) if field.strip()), default=-1) for row in rows if row}) > 1
    )


def _fields(lines: Sequence[str], separator: str) -> list[list[str]]:
    if separator == " ":
        return [line.split() for line in lines]
    try:
        return [*csv.reader(lines, delimiter=separator, skipinitialspace=True)]
    except csv.Error:  # a field of over 131,072 letters, or a sign that none may have
        return [line.split(separator) for line in lines]


def _separator(text: str, path: Path, reading: Reading, report: Report) -> str:
    """Return what stands between the fields: the one that cuts all lines into as many fields, at least two."""
    if reading.separator is not None:
        separator = SEPARATORS.get(reading.separator, reading.separator)
        if len(separator) != 1 or separator in '"\n':
            raise UserError(f"separator is one sign or one of {', '.join(SEPARATORS)}, not {reading.separator!r}")
        return separator
    order = _ORDER.get(ending(path), _ANY)
    lines = [line for line in text[: LONGEST // 4].splitlines()[:-1] or [text] if line.strip()]
    lines = ([line for line in lines if line.lstrip()[0] not in "#%"] or lines)[:SAMPLE]
    widths = {}
    for separator in order:
        counts = {len(row) for row in _fields(lines, separator)}
        if len(counts) == 1 and max(counts) > 1:
            widths[separator] = max(counts)
    if "," in widths and len(widths) > 1 and _all_decimal(lines):
        del widths[","]
    if not widths:  # lines differ in length: the reader names the first that is too long
        return max(order, key=lambda sign: sum(len(row) > 1 for row in _fields(lines, sign)))
    separator = next(sign for sign in order if sign in widths)
    if separator != order[0]:
        word = next(name for name, sign in SEPARATORS.items() if sign == separator)
        report.add("read", f"the fields are separated by {word}s")
    return separator


def _all_decimal(lines: Sequence[str]) -> bool:
    """Return whether each comma stands between two digits."""
    return all(re.search(r"(?<!\d),|,(?!\d)", line) is None for line in lines)


def _without_comments(
    text: str, separator: str, path: Path, reading: Reading, report: Report
) -> tuple[str, list[str] | None]:
    """Return the text without lines of comment, and what the last one before the data calls the columns, if it does.

    A line that begins with # or % is one where a blank follows, or where it has not as many fields as the others: names
    of nodes may begin so.
    """
    if reading.comment == "" or not (reading.comment or COMMENT.search(text)):
        return text, None
    others = [line for line in text[:LONGEST].splitlines() if line.strip() and not COMMENT.match(line)][:SAMPLE]
    width = len(_fields(others[:1], separator)[0]) if others else 2
    dropped: list[str] = []
    kept: list[str] = []

    def decide(line: re.Match[str]) -> str:
        words = line[0].strip()
        if reading.comment:
            comment = words.startswith(reading.comment)
        else:
            comment = words[1:2] in ("", " ", "\t", "#", "%") or len(_fields([words], separator)[0]) != width
        (dropped if comment else kept).append(words)
        return "" if comment else line[0]

    pattern = re.compile(rf"^[ \t]*{re.escape(reading.comment)}.*$", re.MULTILINE) if reading.comment else COMMENT
    text = pattern.sub(decide, text)
    if dropped:
        report.add("left out", "lines of comment", len(dropped), dropped, warn=len(dropped) > 20)
    if kept:
        report.add("read", "lines that begin with # or %, as names (comment='#' leaves them out)", len(kept), kept)
    for line in (line.lstrip("#% \t") for line in dropped[::-1]):
        for words in (_fields([line], separator)[0], line.split()):
            if len(words) == width and looks_named(words):
                return text, words
    return text, None


def plain(name: Any) -> str:
    """Return a column's name as it is looked up: small letters and digits only, without Neo4j's (Type)."""
    return re.sub(r"[^0-9a-zà-ÿ]", "", re.sub(r"\(.*?\)", "", str(name)).casefold())


PAIRS = [
    *(("source", "target"), ("src", "dst"), ("src", "dest"), ("from", "to"), ("start", "end"), ("tail", "head")),
    *(("subject", "object"), ("sender", "receiver"), ("sender", "recipient"), ("citing", "cited"), ("u", "v")),
    *(("follower", "followee"), ("follower", "followed"), ("parent", "child"), ("origin", "destination"), ("i", "j")),
    *(("buyer", "seller"), ("head", "tail"), ("source", "destination"), ("source", "dest"), ("caller", "callee")),
]
_AFTER = r"(?:nodeid|node|id|name|vertex|label)?"


def ends_of(names: Sequence[Any]) -> tuple[int, int] | None:
    """Return which two columns are the ends of an edge by their names; None where the names don't say."""
    words = [plain(name) for name in names]
    for first, second in PAIRS:
        places = [
            [place for place, word in enumerate(words) if re.fullmatch(end + _AFTER, word)] for end in (first, second)
        ]
        if all(len(place) == 1 for place in places):
            return places[0][0], places[1][0]
    for one, two in (("1", "2"), ("a", "b"), ("0", "1")):
        for place, word in enumerate(words):
            if len(word) > 1 and word.endswith(one) and words.count(word[: -len(one)] + two) == 1:
                return place, words.index(word[: -len(one)] + two)
            if word.startswith(f"id{one}") and f"id{two}" in words:
                return place, words.index(f"id{two}")
    return None


def looks_named(words: Sequence[str]) -> bool:
    """Return whether the fields of a line are names of columns that are known here."""
    return ends_of(words) is not None or bool(NAMED & {plain(word) for word in words})


def _with_header(table: pd.DataFrame, names: list[str] | None, reading: Reading, report: Report) -> pd.DataFrame:
    """Take the names of the columns from the first line, where it has some, or from a comment before it."""
    first, rest = table.iloc[0], table.iloc[1:]
    titled = reading.header
    if titled is None:
        numeric = rest.apply(all_numbers) & bool(len(rest))
        above = numeric & pd.to_numeric(first, errors="coerce").isna() & (first.str.casefold() != "nan")
        again = any((rest[column] == first[column]).any() for column in table if first[column])  # a node comes again
        titled = bool(above.any()) or (looks_named([*first]) and not again)
        word = [value for value in first if str(value).startswith(("#", "%"))]
        if titled and word:
            first = first.str.lstrip("#% ")
    if titled:
        return rest.reset_index(drop=True).set_axis([*first.astype(str)], axis=1)
    if names is not None and reading.header is None:
        report.add("read", f"names of the columns from the comment before them: {listed(names)}")
        return table.set_axis(names, axis=1)
    shown = ", ".join(clipped(value) for value in first)
    report.add("read", f"no header: the first line, {shown}, is data (header=True reads it as names of columns)")
    return table


def _points(values: pd.Series, name: str, report: Report) -> pd.Series:
    """Write decimal points where a column has numbers with decimal commas."""
    commas = values.str.fullmatch(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
    if not commas.any() or not (commas | (values == "") | pd.to_numeric(values, errors="coerce").notna()).all():
        return values
    report.add("changed", f"decimal commas in column {name!r}, read as points", int(commas.sum()), values[commas])
    return values.where(~commas, values.str.replace(",", ".", n=1))
