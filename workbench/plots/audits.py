"""What negatives are like, sampler by sampler."""

from collections.abc import Mapping

import numpy as np
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
    """Draw what the negatives of several samplers are like, a row a sampler, a panel a quantity.

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
    counts = sorted({len(audit.anchors) for audit in audits.values()})
    subtitle = f"{' or '.join(map(str, counts))} anchors, 95 % bootstrap intervals over them; labels are used to look"
    fig = style.figure("What are these negatives like?", subtitle, 170 + 30 * len(names), base)
    for column, (quantity, title) in enumerate(PANELS.items(), start=1):
        rows = [audit.summary.loc[quantity, ["value", "low", "high"]] for audit in audits.values()]
        value, low, high = np.array(rows, float).T
        hover = [f"{name}<br>{a:.3g} [{b:.3g}, {c:.3g}]" for name, (a, b, c) in zip(names, rows, strict=True)]
        marker = {"size": 9, "color": style.COLOURS[0]}
        dots = style.points((value, names), marker, hover, error_x=style.interval(value, low, high), cliponaxis=False)
        fig.add_trace(dots, 1, column)
        fig.update_xaxes(title=title, rangemode="tozero", row=1, col=column)
        if quantity.startswith("false"):
            expected = next(iter(audits.values())).summary.loc[EXPECTED, "value"]
            if expected == expected:
                fig.add_vline(x=expected, line={"dash": "dash", "color": style.GREY, "width": 1.2}, row=1, col=column)
    fig.update_yaxes(autorange="reversed", ticks="", categoryorder="array", categoryarray=names)
    return fig.update_layout(margin={"b": 80})
