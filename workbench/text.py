"""Text of other people, such as names, so that a terminal, a page or a spreadsheet shows it and does no more."""

import html
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_ACTS = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # categories of signs that move a cursor, turn what follows, or break a line
_JOIN = "\u200c\u200d"  # belong to letters of Persian and of India
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet takes for the start of a formula, and such a text quoted


def visible(text: object, keep: str = "") -> str:
    """Return a text in which signs that a terminal would act on, e.g. escapes and line ends, are written out."""
    return "".join(
        sign.encode("unicode_escape").decode() if unicodedata.category(sign) in _ACTS and sign not in keep else sign
        for sign in str(text)
    )


def markup(text: object) -> str:
    """Return a text for where HTML is read and, under a pointer in plotly, "%{...}"; line ends stay."""
    return html.escape(visible(text, "\n" + _JOIN), quote=False).replace("%{", "&#37;{")


def cell(text: object) -> object:
    """Return a text that a spreadsheet won't compute: an apostrophe stands before one that begins like a formula.

    Numbers, also those written as text, stay as they are. `uncell` is the way back.
    """
    return f"'{text}" if isinstance(text, str) and _FORMULA.match(text) and not _is_number(text) else text


def uncell(text: str) -> str:
    """Return the text that `cell` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def cells(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table for a .csv that people open in a spreadsheet: `cell` of each text and of the columns' names."""
    columns = {name: table[name].map(cell) if table[name].dtype.kind not in "biufM" else table[name] for name in table}
    return table.assign(**{str(name): column for name, column in columns.items()}).rename(columns=cell)


def composed(text: object) -> str:
    """Return a text in which a letter and its mark are one sign where there is one, so that equal words are equal."""
    return unicodedata.normalize("NFC", str(text))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
