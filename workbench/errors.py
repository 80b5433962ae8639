"""The one kind of error that a person can cause: a sentence that names what was wrong and the nearest valid choice.

And what a person is warned of.
"""

import difflib
import operator
import os
import sys
import warnings
from collections.abc import Iterable
from types import FrameType

from workbench.text import visible

_PACKAGE = os.path.join(os.path.dirname(__file__), "")


class UserError(ValueError):
    """A mistake of the person, told in one sentence; notebooks and the command line show no traceback for it."""

    def __init__(self, sentence: str, **fields: object):
        super().__init__(sentence)
        self.fields = fields  # what the sentence was made from: "kind" and "word" of an unknown name, "parameter", ...

    def _render_traceback_(self) -> list[str]:
        """Show one line where IPython would print a stack (IPython's own hook)."""
        return [f"{type(self).__name__}: {visible(self, chr(10))}"]


class Notice(UserWarning):
    """What a person should know of what was done; the command line shows its sentence alone."""


class Collapse(Notice):
    """Training has made an embedding collapse: it fills far fewer dimensions than the untrained one."""


def warn(sentence: str, category: type[Notice] = Notice) -> None:
    """Warn at the line that called the package, however deep in it this is called."""
    level = 1
    frame: FrameType | None = sys._getframe()
    while frame and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(sentence, category, stacklevel=level)


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that is spelt most like `word`, or None where nothing comes near."""
    by_folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.4)
    return by_folded[found[0]] if found else None


def node_number(node: object, nodes: int) -> int:
    """Return the number of a node as an int, any kind of integer being one; a UserError where there is no such node."""
    number = whole_number(node)
    if number is None or not number < nodes:
        has = f"{nodes:,}, from 0 to {nodes - 1}" if nodes else "none"
        raise UserError(f"there is no node {repr(node)[:30]}; this graph has {has}")
    return number


def whole_number(value: object) -> int | None:
    """Return an integer of any kind as an int; None for what is negative or no integer, and for true and false."""
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
    return number if number >= 0 else None


def unknown(kind: str, word: object, choices: Iterable[str], where: str = "", **fields: object) -> UserError:
    """Make the error for a word that names no choice of a kind, e.g. "method"; it names the nearest choice first.

    `where` says what the choices belong to, e.g. "of method 'grace'".
    """
    names = sorted(choices)
    guess = nearest(str(word), names)
    hint = f"did you mean {guess!r}? " if guess else ""
    place = f" {where}" if where else ""
    sentence = f"unknown {kind} {str(word)[:80]!r}{place}; {hint}valid: {', '.join(names) or 'none'}"
    return UserError(sentence, kind=kind, word=word, nearest=guess, **fields)
