"""The legend of a map as buttons: each shows one class alone, by the mouse or by the keys."""

from collections.abc import Sequence

import ipywidgets as ipw

from workbench.plots import style

ALL = "all"
_MARKS = dict(zip(style.SYMBOLS, "●◆✖▲", strict=True))


class Kinds(ipw.VBox):
    """The buttons, `chosen` by their value: the number of a class, or "all"; nothing to see while there are none."""

    def __init__(self) -> None:
        self.chosen = ipw.ToggleButtons(options=[(ALL, ALL)], value=ALL, style={"button_width": "auto"})
        self.chosen.add_class("workbench-kinds")
        self.chosen.layout = ipw.Layout(width="auto", max_height="180px", overflow="auto")
        self._look = ipw.HTML()
        self._look.layout.display = "none"
        super().__init__([self._look, self.chosen])

    def offer(self, kinds: Sequence[tuple[str, int]]) -> None:
        """Show buttons for some classes, as (name, number); the class that stands alone still does if it is there."""
        options = [(ALL, ALL), *kinds]
        if list(self.chosen.options) != options:
            kept = self.chosen.value
            with self.chosen.hold_trait_notifications():
                self.chosen.options = options
                self.chosen.value = kept if kept in dict(map(reversed, options)) else ALL  # type: ignore[arg-type]
            self._look.value = self._css([number for _, number in kinds])
        self.layout.display = "" if kinds else "none"

    def _css(self, numbers: Sequence[int]) -> str:
        """Return the marks of the buttons: symbols in the colours that the map has on a light and on a dark page."""
        self.chosen.add_class(mine := f"workbench-kinds-{self.chosen.model_id}")
        rules = [
            f".{mine} button {{ height: 24px; line-height: 22px; padding: 0 7px; font-size: 11px }}",
            f".{mine} button.mod-active {{ font-weight: 600 }}",
            f".{mine} button:focus-visible {{ outline: 2px solid #239CDB; outline-offset: -2px }}",
        ]
        for place, number in enumerate(numbers, start=2):
            look = style.class_marker(number)
            button = f".{mine} button:nth-child({place})::before"
            light, mark = look["color"], _MARKS[look["symbol"]]
            rules.append(f"{button} {{ content: '{mark}'; margin-right: 4px; color: {light} }}")
            dark = style.ON_DARK[light]
            rules.append(f"[data-jp-theme-light='false'] {button} {{ color: {dark} }}")
            rules.append(f"@media (prefers-color-scheme: dark) {{ body:not([data-jp-theme-light]) {button}")
            rules[-1] += f" {{ color: {dark} }} }}"
        return f"<style>{' '.join(rules)}</style>"
