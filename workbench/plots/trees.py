"""The truth tree of a node as a page."""

import html

from workbench.plots import style
from workbench.plots.rules import FALSE, TRUE
from workbench.rules import Explanation
from workbench.rules.printing import head


def truth_tree(explanation: Explanation, opened: int = 4) -> str:
    """Return the truth tree of a node as HTML that stands by itself; what stands in the formula is escaped.

    Args:
        explanation: from `rules.explain`.
        opened: how many levels are unfolded at first.
    """
    return f'<div style="font-size:13px;line-height:1.6">{_branch(explanation, opened)}</div>'


def _branch(one: Explanation, opened: int) -> str:
    colour, ink = "rgba(128,128,128,.25)", "inherit"  # which reads on light pages and on dark ones
    if one.part.sort == "truth":
        colour, ink = (TRUE, style.PAPER) if one.value >= 0.5 else (FALSE, style.INK)
    badge = (f'<span style="background:{colour};color:{ink};border-radius:4px;padding:1px 6px;margin-right:6px">'
             f"{html.escape(one.shown)}</span>")  # fmt: skip
    text = html.escape(head(one.part) if one.inner else str(one.part))
    note = f'<span style="opacity:0.75;margin-left:8px">{html.escape(one.note)}</span>' if one.note else ""
    line = f'{badge}<code style="background:none;color:inherit">{text}</code>{note}'
    if not one.inner:
        return f'<div style="margin:2px 0 2px 16px">{line}</div>'
    inner = "".join(_branch(part, opened - 1) for part in one.inner)
    opening = f'<details{" open" * (opened > 0)} style="margin:2px 0"><summary style="cursor:pointer">{line}</summary>'
    box = '<div style="margin-left:5px;padding-left:10px;border-left:1px solid rgba(128,128,128,.5)">'
    return f"{opening}{box}{inner}</div></details>"
