"""The button of a widget that takes back, step by step, what was changed on its controls."""

import time
from typing import Any, Protocol

import ipywidgets as ipw
from traitlets import HasTraits

TOGETHER = 1.5  # seconds within which changes of one text or slider are one step
MOST = 200  # steps that are kept
_GRADUAL = (ipw.Text, ipw.Textarea, ipw.FloatSlider, ipw.IntSlider, ipw.FloatLogSlider, ipw.SelectionSlider)


class Quiet(Protocol):
    """What says whether it is setting its controls itself, without their handlers; `Controls` do."""

    _quiet: bool


class Undo(ipw.Button):
    """The button. `Shell` has one as `self.undo`; a widget that offers it does three things.

    1. Once the controls have their first values, and before its handlers observe them, it names what is to be restored:
       `self.undo.keep(self.node, self.colour)`, or another trait of them: `self.undo.keep(self.part, trait="index")`.
       What is no control can be a traitlets trait of the widget itself: `self.undo.keep(self, trait="selection")`.
    2. It puts `self.undo` among its children.
    3. It keeps what a hand chooses. What a handler sets makes no step if it is set within `_quietly`; it may be kept
       all the same where going back would not bring it back by a handler (then name it last).

    A step back sets what was kept to its former values in the order in which it was named; handlers run as for a hand.
    Changes of one text or slider in quick succession are one step.
    """

    def __init__(self, widget: Quiet):
        super().__init__(icon="undo", tooltip="undo: what the controls were before the last change", disabled=True)
        self.layout.width = "42px"
        self.add_class("workbench-undo")
        self._widget, self._undoing = widget, False
        self._now: dict[tuple[HasTraits, str], Any] = {}
        self._steps: list[tuple[tuple[HasTraits, str], dict[tuple[HasTraits, str], Any]]] = []
        self._at = 0.0
        self.on_click(lambda _: self.back())

    def keep(self, *parts: HasTraits, trait: str = "value") -> None:
        """Restore a trait of these from now on."""
        for part in parts:
            self._now[part, trait] = getattr(part, trait)
            part.observe(self._changed, trait)

    def back(self) -> None:
        """Take the last step back; nothing where there is none."""
        if not self._steps:
            return
        _, before = self._steps.pop()
        self._undoing, self._at = True, 0.0
        try:
            for (part, trait), value in before.items():
                setattr(part, trait, value)
        finally:
            self._undoing, self.disabled = False, not self._steps

    def _changed(self, change: Any) -> None:
        what, before, now = (change["owner"], change["name"]), dict(self._now), time.monotonic()
        self._now[what] = change["new"]
        if self._undoing or self._widget._quiet:
            return
        gradual = isinstance(change["owner"], _GRADUAL) or getattr(change["owner"], "gradual", False)
        if not (gradual and self._steps and self._steps[-1][0] == what and now - self._at < TOGETHER):
            self._steps = [*self._steps[1 - MOST :], (what, before)]
        self._at, self.disabled = now, False
