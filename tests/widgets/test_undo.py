"""The undo of widgets: what is one step, and what a step back restores."""

import ipywidgets as ipw
import pytest

from workbench.widgets import undo
from workbench.widgets.live import Controls


class Small(Controls, ipw.VBox):
    """A widget of four controls, of which one follows another, and a handler sets a third."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.kind = ipw.Text("a"), ipw.Dropdown(options=["x", "y", "z"])
        self.follows, self.seen = ipw.IntText(1), list[str]()
        self.undo = undo.Undo(self)
        self.undo.keep(self.text, self.kind, self.follows)
        self._observe(self._typed, self.text)

    def _typed(self) -> None:
        self.seen.append(self.text.value)
        with self._quietly():
            self.follows.value = len(self.text.value)


def test_a_step_back_restores_what_was_before_an_act_and_runs_the_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo, "TOGETHER", 0)
    small = Small()
    assert small.undo.disabled
    small.text.value = "abc"
    small.follows.value = 7  # by hand
    small.kind.value = "z"
    small.undo.click()
    assert (small.text.value, small.kind.value, small.follows.value) == ("abc", "x", 7)
    small.undo.click()
    assert (small.text.value, small.kind.value, small.follows.value) == ("abc", "x", 3)
    assert not small.undo.disabled
    small.undo.click()
    assert (small.text.value, small.kind.value, small.follows.value) == ("a", "x", 1)
    assert small.seen == ["abc", "a"] and small.undo.disabled
    small.undo.back()  # there is nothing more
    small.kind.value = "y"  # and it goes on from here
    small.undo.back()
    assert (small.text.value, small.kind.value) == ("a", "x")


def test_what_is_typed_in_one_go_is_one_step() -> None:
    small = Small()
    for text in ("ab", "abc", "abcd"):  # each also lets another control follow
        small.text.value = text
    small.undo.back()
    assert small.text.value == "a" and small.undo.disabled


def test_choices_in_quick_succession_are_steps_of_their_own() -> None:
    small = Small()
    small.kind.value = "y"
    small.kind.value = "z"
    small.undo.back()
    assert small.kind.value == "y"
