"""The grammar of the rule language, for lark, and what is said of a mistake: where it is, and the nearest word."""

import difflib
import re

from lark import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from workbench.errors import UserError
from workbench.rules.vocabulary import TERMS

KEYWORDS = ("forall", "exists", "in", "for", "if", "and", "or", "not", "implies", "iff", "true", "false")
GRAMMAR = r"""
?start: iff
?iff: implies | iff IFF implies -> binary
?implies: or | or IMPLIES implies -> binary
?or: and | or OR and -> binary
?and: not | and AND not -> binary
?not: NOT not -> unary | quantifier | comparison
quantifier: (FORALL | EXISTS) NAME _IN domain ":" iff
?comparison: sum | sum COMPARE sum -> compare
?sum: product | sum (PLUS | MINUS) product -> binary
?product: signed | product (TIMES | DIVIDE) signed -> binary
?signed: MINUS signed -> unary | power
?power: primary | primary POWER signed -> binary
?primary: NUMBER -> number | (TRUE | FALSE) -> truth | STRING -> text | NAME -> variable | call | "(" iff ")"
?call: NAME "(" [iff ("," iff)*] ")" -> call
    | NAME "(" [iff _FOR] NAME _IN domain [_IF iff] ")" -> aggregate
domain: NAME ["(" NAME ")"]

FORALL.2: /forall\b|∀/i
EXISTS.2: /exists\b|∃/i
_IN.2: /in\b|∈/i
_FOR.2: /for\b/i
_IF.2: /if\b/i
TRUE.2: /true\b/i
FALSE.2: /false\b/i
AND.2: /and\b|∧|&&?/i
OR.2: /or\b|∨|\|\|?/i
NOT.2: /not\b|¬/i
IFF.3: /iff\b|↔|⇔|<->|<=>/i
IMPLIES.3: /implies\b|→|⇒|->|=>/i
COMPARE.2: /<=|>=|!=|==|≤|≥|≠|<|>|=/
POWER.3: /\*\*|\^/
PLUS: "+"
MINUS: /-|−/
TIMES: /\*|·|×/
DIVIDE: /\/|÷/
NUMBER: /([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?/i
STRING: /"[^"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*"/
NAME: /(?!(?i:KEYWORDS)\b)[A-Za-z][A-Za-z0-9_]*/
%ignore /\s+/
""".replace("KEYWORDS", "|".join(KEYWORDS))
COMPARE = {"==": "=", "≤": "<=", "≥": ">=", "≠": "!="}
OPERATOR = {"AND": "and", "OR": "or", "NOT": "not", "IFF": "iff", "IMPLIES": "implies", "PLUS": "+", "MINUS": "-"}
OPERATOR |= {"TIMES": "*", "DIVIDE": "/", "POWER": "^", "FORALL": "forall", "EXISTS": "exists"}


class Mistake(Exception):
    """What is wrong and where, in characters, None for where its part begins, before the text is at hand to show it."""

    def __init__(self, sentence: str, at: int | None = None):
        self.sentence, self.at = sentence, at


class FormulaError(UserError):
    """A mistake in a formula: one sentence that says where, and a drawing of the line with a caret below the place.

    Attributes:
        line, column: the place, from 1. caret: the line and the caret, two lines of text.
        fields: "nearest" is the formula that was probably meant, where one is known.
    """

    def __init__(self, sentence: str, text: str, at: int, **fields: object):
        *above, before = text[:at].split("\n")
        self.line, self.column = len(above) + 1, len(before) + 1
        shown = before + text[at:].split("\n")[0]
        shown = "".join(sign if sign.isprintable() else " " for sign in shown)  # a tab would move the caret
        # A long line is cut around the place.
        cut = max(0, self.column - 60)
        lead = "…" if cut else ""
        self.caret = f"{lead}{shown[cut : cut + 100]}\n{' ' * (self.column - 1 - cut + len(lead))}^"
        super().__init__(f"line {self.line}, column {self.column}: {sentence}", **fields)

    def _render_traceback_(self) -> list[str]:
        return [*super()._render_traceback_(), *self.caret.split("\n")]


_PLAIN = {"NAME": "a name", "NUMBER": "a number", "LPAR": "'('", "RPAR": "')'", "COMMA": "','", "COLON": "':'"}
_PLAIN |= {"COMPARE": "a comparison such as '<='", "STRING": "a name in quotes"}
_STARTS = {"FORALL", "EXISTS", "NOT", "TRUE", "FALSE", "MINUS", "STRING", "NUMBER", "LPAR", "NAME"}
_ANY_TERM = {"MINUS", "NUMBER", "LPAR", "NAME"}
_JOINS = {"AND", "OR", "IFF", "IMPLIES", "PLUS", "MINUS", "TIMES", "DIVIDE", "POWER", "COMPARE"}


def syntax_mistake(error: UnexpectedInput, text: str) -> Mistake:
    """Return what is wrong where the grammar could not go on."""
    at = error.pos_in_stream or 0
    if isinstance(error, UnexpectedCharacters):
        quotes = 'a name in quotes is written "..." on one line'
        known = {"_": "a name begins with a letter, not with '_'", "'": quotes, '"': quotes}
        return Mistake(known.get(text[at], f"the sign {text[at]!r} has no meaning here"), at)
    assert isinstance(error, UnexpectedToken)
    word, kind, expected = str(error.token), error.token.type, set(error.accepts or error.expected)
    met, term_next = f"{word[:30]!r} can't stand here", expected >= _ANY_TERM
    if kind == "$END":
        at, met = len(text.rstrip()), "the formula ends too early"
    elif kind == "COMPARE" and not term_next:
        return Mistake("comparisons don't chain; write a <= b and b <= c", at)
    elif kind in ("_FOR", "_IF") and expected & _JOINS and not term_next:
        example = "count(u in N(v) if degree(u) > 2), sum(degree(u) for u in N(v))"
        return Mistake(f"{word!r} stands in the brackets of an aggregate only: {example}", at)
    elif kind == "_FOR" and expected >= _STARTS:
        return Mistake(f"{met}; did you mean 'forall'?", at)
    elif kind == "NAME" and "NAME" not in expected:
        # Two words in a row: one of them is a misspelt keyword, or the word between them is missing.
        before = re.search(r"([A-Za-z]\w*)\s*$", text[:at])
        for name, place in ((word, at), (before[1] if before else "", before.start(1) if before else 0)):
            close = difflib.get_close_matches(name.casefold(), KEYWORDS, n=1, cutoff=0.65)
            if close and name not in KEYWORDS and name not in TERMS:
                return Mistake(f"{name!r} can't stand here; did you mean {close[0]!r}?", place)
    wanted = []
    if term_next:
        wanted, expected = ["a term, a number or '('"], expected - _STARTS
    if expected & _JOINS:
        wanted, expected = [*wanted, "an operator"], expected - _JOINS
    signs = {name: f"'{OPERATOR.get(name, name.lower().lstrip('_'))}'" for name in expected - {"$END"}}
    wanted += sorted(_PLAIN.get(name, sign) for name, sign in signs.items())
    return Mistake(f"{met}; expected {' or '.join(wanted) or 'the end'}", at)
