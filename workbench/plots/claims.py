"""Published numbers beside ours."""

from collections.abc import Sequence

import plotly.graph_objects as go

from workbench.errors import UserError
from workbench.plots import style
from workbench.studies.claims import MARGIN, Cell, Verdict

_LOOK = {
    "reproduced": (style.COLOURS[2], "circle"),
    "better": (style.COLOURS[0], "triangle-up"),
    "worse": (style.COLOURS[5], "triangle-down"),
    "undecided": (style.GREY, "diamond"),
}


def claims_chart(verdicts: Sequence[tuple[Cell, Verdict]]) -> go.Figure:
    """Draw by how much ours differs from each published number that was run, with its 90 % interval.

    Args:
        verdicts: numbers with their verdicts; those without a score of ours are left out, and counted in the subtitle.

    Raises:
        UserError: none of them was run.
    """
    run = [(cell, verdict) for cell, verdict in verdicts if verdict.ours == verdict.ours]
    if not run:
        raise UserError("none of these numbers was run here; `workbench claims run CLAIM` trains what one takes")
    told = f"90 % intervals; a number whose interval lies within the band of {MARGIN:g} point is reproduced"
    if left := len(verdicts) - len(run):
        told += f"<br>not shown, since not run or not comparable: {left} published numbers"
    fig = style.figure("Ours minus published", told, 170 + 30 * len(run))
    fig.add_vrect(x0=-MARGIN, x1=MARGIN, fillcolor=style.LINE, line_width=0, layer="below")
    fig.add_vline(x=0, line={"color": style.GREY, "width": 1})
    for word, (colour, symbol) in _LOOK.items():
        mine = [(cell, verdict) for cell, verdict in run if verdict.word == word]
        if not mine:
            continue
        off = [verdict.ours - cell.value for cell, verdict in mine]
        known = [verdict.high == verdict.high for _, verdict in mine]
        fig.add_scatter(
            x=off,
            y=[cell.id for cell, _ in mine],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [v.high - d if k else 0 for (_, v), d, k in zip(mine, off, known, strict=True)],
                "arrayminus": [d - v.low if k else 0 for (_, v), d, k in zip(mine, off, known, strict=True)],
                "thickness": 1.5,
            },
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 10},
            name=word,
            text=[
                f"published {cell.value}, ours {verdict.ours:.1f}<br>{verdict.seeds} seeds" for cell, verdict in mine
            ],
            hovertemplate="%{y}<br>%{text}<extra></extra>",
        )
    fig.update_xaxes(title="accuracy, percentage points", zeroline=False)
    fig.update_yaxes(categoryorder="array", categoryarray=[cell.id for cell, _ in reversed(run)], showgrid=False)
    return fig
