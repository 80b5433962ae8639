"""The truth tree of a node as a page."""

import html

from workbench.plots import style
from workbench.plots.rules import FALSE, TRUE
from workbench.rules import Explanation
from workbench.rules.printing import head


def truth_tree(explanation: Explanation, opened: int = 4) -> str:
    """Return the truth tree of a node as HTML that stands by itself; what stands in the formula is escaped.

    The first levels are unfolded, as many as `opened` says.
    """
    return f'<div style="font-size:13px;line-height:1.6">{_branch(explanation, opened)}</div>'


def _branch(explanation: Explanation, opened: int) -> str:
    part, inner = explanation.part, explanation.inner
    colour, ink = "rgba(128,128,128,.25)", "inherit"  # which reads on light pages and on dark ones
    if part.sort == "truth":
        colour, ink = (TRUE, style.PAPER) if explanation.value >= 0.5 else (FALSE, style.INK)
    look = f"background:{colour};color:{ink};border-radius:4px;padding:1px 6px;margin-right:6px"
    badge = f'<span style="{look}">{html.escape(explanation.shown)}</span>'
    text, note = html.escape(head(part) if inner else str(part)), html.escape(explanation.note)
    note = note and f'<span style="opacity:0.75;margin-left:8px">{note}</span>'
    line = f'{badge}<code style="background:none;color:inherit">{text}</code>{note}'
    if not inner:
        return f'<div style="margin:2px 0 2px 16px">{line}</div>'
    branches = "".join(_branch(below, opened - 1) for below in inner)
    opening = f'<details{" open" * (opened > 0)} style="margin:2px 0"><summary style="cursor:pointer">{line}</summary>'
    box = '<div style="margin-left:5px;padding-left:10px;border-left:1px solid rgba(128,128,128,.5)">'
    return f"{opening}{box}{branches}</div></details>"
