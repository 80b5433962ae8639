"""What the content of rules is worth: paired differences between arms."""

import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError
from workbench.plots import style


def placebo_chart(differences: pd.DataFrame) -> go.Figure:
    """Draw paired differences in accuracy with their intervals, one row a pair of arms, one colour a graph.

    Args:
        differences: what `workbench.placebo.differences` returned.

    Raises:
        UserError: there is no difference to draw, which takes two training seeds.
    """
    if differences.empty:
        raise UserError("there is no difference to draw; intervals take at least two training seeds of both arms")
    seeds = sorted({int(count) for count in differences["seeds"]})
    told = (
        f"mean and 95 % t interval over {' or '.join(map(str, seeds))} training seeds, same splits; 0 = no difference"
    )
    fig = style.figure("Does it matter what the rules say?", told)
    pairs = list(dict.fromkeys(f"{a} − {b}" for a, b in zip(differences["first"], differences["second"], strict=True)))
    graphs = list(dict.fromkeys(differences["graph"]))
    for index, graph in enumerate(graphs):
        part = differences[differences["graph"] == graph]
        names = [f"{a} − {b}" for a, b in zip(part["first"], part["second"], strict=True)]
        # Graphs stand below each other within a row, so that intervals don't cover one another.
        shift = 0.24 * (index - (len(graphs) - 1) / 2)
        error = {"type": "data", "symmetric": False, "array": part["high"] - part["difference"],
                 "arrayminus": part["difference"] - part["low"], "thickness": 1.8, "width": 5}  # fmt: skip
        hover = [f"{graph}: {name}<br>{row.difference:+.2f} [{row.low:+.2f}, {row.high:+.2f}] points"
                 for name, row in zip(names, part.itertuples(), strict=True)]  # fmt: skip
        fig.add_scatter(x=part["difference"], y=[pairs.index(name) + shift for name in names], mode="markers",
                        name=graph, error_x=error, text=hover, hovertemplate="%{text}<extra></extra>",
                        marker={"size": 9, **style.class_marker(index)})  # fmt: skip
    fig.add_vline(x=0, line={"color": style.GREY, "width": 1})
    fig.update_xaxes(title="difference in accuracy, percentage points")
    fig.update_yaxes(tickvals=list(range(len(pairs))), ticktext=pairs, range=[len(pairs) - 0.5, -0.5], ticks="")
    return fig.update_layout(height=190 + 46 * len(pairs))
