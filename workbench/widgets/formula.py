"""The field for a formula: it suggests words, offers examples, and has a slider for the first threshold."""

import re
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict, Int, List, Unicode, observe

from workbench.rules.grammar import GRAMMAR
from workbench.rules.printing import figure
from workbench.rules.syntax import Number

_DIGITS = next(line for line in GRAMMAR.splitlines() if line.startswith("NUMBER:")).split("/")[1]
_WRITTEN = re.compile(rf"[-−]?(?P<opened>(\s*\()*)\s*({_DIGITS})", re.IGNORECASE)


class FormulaField(anywidget.AnyWidget):
    """The field. Its text is the truth: the slider only writes another number into it, on the page itself.

    A kernel that is slow answers what was typed long ago. So the page counts what a hand does, `seen` says up to where
    the kernel knows it, and what the kernel says meanwhile is not shown. A slider that was moved before another formula
    came from the kernel (`revision`) moves nothing any more.

    Attributes:
        value: the text. words, rules: what is suggested and what it means. names: what is suggested within quotes.
        examples: formulas that a click takes.
        threshold: the number that the slider moves, see `movable`.
    """

    _esm = Path(__file__).with_name("formula.js")
    _css = Path(__file__).with_name("formula.css")
    gradual = True  # letters and moves in quick succession are one step of the undo
    value, seen, revision = Unicode().tag(sync=True), Int().tag(sync=True), Int().tag(sync=True)
    typed, threshold = Dict().tag(sync=True), Dict().tag(sync=True)
    words: Any = List().tag(sync=True)
    rules: Any = List().tag(sync=True)
    names: Any = List().tag(sync=True)
    examples: Any = List().tag(sync=True)
    _taking = False

    @observe("typed")
    def _take(self, change: Any) -> None:
        """Take what a hand typed or moved on the page, unless the slider belonged to a formula of before."""
        typed = change["new"]
        with self.hold_sync():  # the page hears at once of all that follows from it
            self.seen = typed["edit"]
            if typed["moved"] and typed["revision"] != self.revision:
                return
            self._taking, self.gradual = True, not typed.get("whole")  # an example that is taken is a step of its own
            try:
                self.value = typed["text"]
            finally:
                self._taking = False

    @observe("value")
    def _count(self, _: Any) -> None:
        if not self._taking:
            self.revision += 1


def movable(text: str, source: str, number: Number, side: str, ends: tuple[float, float, int]) -> dict[str, Any]:
    """Return what the slider has to know of a number in a formula.

    Args:
        text: what is in the field. source: the formula that it means, the same unless it is the name of a rule.
        number: one that `source` was read to hold. side: what it is compared with.
        ends: least and greatest, and the digits of the slider's steps.
    """
    found = _WRITTEN.match(source, number.at)
    assert found is not None
    end, opened = found.end(), found["opened"].count("(")
    closed = re.compile(rf"(\s*\)){{{opened}}}").match(source, end)
    assert closed is not None
    low, high, digits = ends
    told = {"min": float(low), "max": float(high), "step": 10.0**-digits, "digits": digits, "side": side}
    return {
        "of": text,
        "before": source[: number.at],
        "number": figure(number.value),
        "after": source[closed.end() :],
    } | told
