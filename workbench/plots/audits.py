"""What negatives are like, sampler by sampler."""

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.contrast.audit import Audit
from workbench.errors import UserError
from workbench.plots import style

PANELS = {
    "false negatives (% of pairs)": "false negatives,<br>% of pairs",
    "gradient on false negatives (%)": "gradient on false<br>negatives, %",
    "within 2 hops (% of pairs)": "within 2 hops,<br>% of pairs",
    "coupling factor q (mean)": "coupling factor q,<br>mean (no unit)",
}
EXPECTED = "false negatives expected of random pairs (%)"


def audit_chart(audits: Mapping[str, Audit]) -> go.Figure:
    """Draw what the negatives of several strategies are like, a row a strategy, a panel a quantity.

    Args:
        audits: an audit by name, from `workbench.contrast.audit.audit`.

    Returns:
        Four panels with 95 % bootstrap intervals over the audited anchors; the dashed line is the rate of false
        negatives among random pairs.

    Raises:
        UserError: nothing to draw.
    """
    if not audits:
        raise UserError("there is no audit to draw; pass at least one, by the name of its sampler")
    names = list(audits)
    base = make_subplots(1, len(PANELS), shared_yaxes=True, horizontal_spacing=0.03)
    counts = sorted({len(one.anchors) for one in audits.values()})
    told = f"{' or '.join(map(str, counts))} anchors, 95 % bootstrap intervals over them; labels are used to look"
    fig = style.figure("What are these negatives like?", told, 170 + 30 * len(names), base)
    for column, (quantity, title) in enumerate(PANELS.items(), start=1):
        rows = [audits[name].summary.loc[quantity] for name in names]
        value, low, high = ([row[key] for row in rows] for key in ("value", "low", "high"))
        ends = [[b - a for a, b in zip(*pair, strict=True)] for pair in ((value, high), (low, value))]
        error = {
            "type": "data",
            "symmetric": False,
            "array": ends[0],
            "arrayminus": ends[1],
            "thickness": 1.5,
            "width": 4,
        }
        told_each = zip(names, value, low, high, strict=True)
        fig.add_scatter(
            x=value,
            y=names,
            error_x=error,
            mode="markers",
            cliponaxis=False,
            showlegend=False,
            row=1,
            col=column,
            marker={"size": 9, "color": style.COLOURS[0]},
            text=[f"{name}<br>{a:.3g} [{b:.3g}, {c:.3g}]" for name, a, b, c in told_each],
            hovertemplate="%{text}<extra></extra>",
        )
        fig.update_xaxes(title=title, rangemode="tozero", row=1, col=column)
        if quantity.startswith("false"):
            expected = next(iter(audits.values())).summary.loc[EXPECTED, "value"]
            if expected == expected:
                fig.add_vline(x=expected, line={"dash": "dash", "color": style.GREY, "width": 1.2}, row=1, col=column)
    fig.update_yaxes(autorange="reversed", ticks="", categoryorder="array", categoryarray=names)
    return fig.update_layout(margin={"b": 80})
