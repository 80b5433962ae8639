"""What is said of a mistake in a formula: where it is, and the nearest word that would do."""

import difflib
import re

from lark import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from workbench.errors import UserError
from workbench.rules.grammar import KEYWORDS, OPERATOR
from workbench.rules.vocabulary import TERMS


class FormulaError(UserError):
    """A mistake in a formula: one sentence that says where, and a drawing of the line with a caret below the place.

    Attributes:
        line, column: the place, from 1. caret: the line and the caret, two lines of text.
    """

    def __init__(self, sentence: str, text: str, at: int):
        at = min(at, len(text))
        begin = text.rfind("\n", 0, at) + 1
        shown = text[begin:].split("\n", 1)[0]
        self.line, self.column = text.count("\n", 0, at) + 1, at - begin + 1
        shown = "".join(sign if sign.isprintable() else " " for sign in shown)  # a tab would move the caret
        # A long line is cut around the place.
        cut = max(0, self.column - 60)
        lead = "…" if cut else ""
        self.caret = f"{lead}{shown[cut : cut + 100]}\n{' ' * (self.column - 1 - cut + len(lead))}^"
        super().__init__(f"line {self.line}, column {self.column}: {sentence}")

    def _render_traceback_(self) -> list[str]:
        return [*super()._render_traceback_(), *self.caret.split("\n")]


_PLAIN = {
    "NAME": "a name", "NUMBER": "a number", "LPAR": "'('", "RPAR": "')'", "COMMA": "','", "COLON": "':'", "_IN": "'in'",
    "_FOR": "'for'", "_IF": "'if'", "COMPARE": "a comparison such as '<='", "STRING": "a name in quotes",
}  # fmt: skip
_STARTS = {"FORALL", "EXISTS", "NOT", "TRUE", "FALSE", "MINUS", "STRING", "NUMBER", "LPAR", "NAME"}
_ANY_TERM = {"MINUS", "NUMBER", "LPAR", "NAME"}
_JOINS = {"AND", "OR", "IFF", "IMPLIES", "PLUS", "MINUS", "TIMES", "DIVIDE", "POWER", "COMPARE"}


def syntax_error(error: UnexpectedInput, text: str) -> FormulaError:
    """Return what is wrong where the grammar could not go on."""
    at = error.pos_in_stream if error.pos_in_stream is not None and error.pos_in_stream >= 0 else len(text)
    if isinstance(error, UnexpectedCharacters):
        sign = text[at]
        if sign == "_":
            return FormulaError("a name begins with a letter, not with '_'", text, at)
        if sign in "\"'":
            return FormulaError('a name in quotes is written "..." on one line', text, at)
        return FormulaError(f"the sign {sign!r} has no meaning here", text, at)
    if not isinstance(error, UnexpectedToken):
        return FormulaError("the formula ends too early", text, len(text.rstrip()))
    expected = set(error.accepts or error.expected)
    if error.token.type == "$END":
        at, met = len(text.rstrip()), "the formula ends too early"
    else:
        met = f"{str(error.token)[:30]!r} can't stand here"
    if error.token.type == "COMPARE" and not expected >= _ANY_TERM:
        return FormulaError("comparisons don't chain; write a <= b and b <= c", text, at)
    if error.token.type in ("_FOR", "_IF") and expected & _JOINS and not expected >= _ANY_TERM:
        example = "count(u in N(v) if degree(u) > 2), sum(degree(u) for u in N(v))"
        return FormulaError(f"{str(error.token)!r} stands in the brackets of an aggregate only: {example}", text, at)
    if error.token.type == "_FOR" and expected >= _STARTS:
        return FormulaError(f"{str(error.token)!r} can't stand here; did you mean 'forall'?", text, at)
    # Two words in a row: one of them is a misspelt keyword, or the word between them is missing.
    before = re.search(r"([A-Za-z]\w*)\s*$", text[:at])
    if error.token.type == "NAME" and "NAME" not in expected:
        for word, place in ((str(error.token), at), (before[1] if before else "", before.start(1) if before else 0)):
            close = difflib.get_close_matches(word.casefold(), KEYWORDS, n=1, cutoff=0.65)
            if close and word not in KEYWORDS and word not in TERMS:
                return FormulaError(f"{word!r} can't stand here; did you mean {close[0]!r}?", text, place)
    wanted = []
    if expected >= _ANY_TERM:
        wanted, expected = ["a term, a number or '('"], expected - _STARTS
    if expected & _JOINS:
        wanted, expected = [*wanted, "an operator"], expected - _JOINS
    wanted += sorted(_PLAIN.get(name, f"'{OPERATOR.get(name, name.lower())}'") for name in expected - {"$END"})
    return FormulaError(f"{met}; expected {' or '.join(wanted) or 'the end'}", text, at)
