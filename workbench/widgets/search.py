"""The field in which a node is looked for by its number or its name, and the part of a map that is then shown."""

from collections.abc import Sequence
from typing import Any

import ipywidgets as ipw
import plotly.graph_objects as go

from workbench.evaluation.projection import Map
from workbench.widgets.shell import hint_of

SUGGESTED = 3_000  # names that are offered while one is typed
AROUND = 0.12  # of the width of a map, to each side of a node that was found


def search_field(names: Sequence[object] | None, **more: Any) -> ipw.Combobox:
    """Return the field; names are offered while one is typed, and what stands in it is replaced, see `live.Fit`."""
    offered = [] if names is None else list(dict.fromkeys(map(str, names)))[:SUGGESTED]
    field = ipw.Combobox(options=offered, placeholder=hint_of(names), continuous_update=False, **more)
    field.add_class("workbench-search")
    return field


def zoom(figure: go.Figure, drawn: Map, node: int) -> bool:
    """Show the part of a map around a node; return False where the node is not on the map."""
    at = drawn.points[drawn.nodes == node].astype(float)
    if not len(at):
        return False
    far = AROUND * (drawn.points.max(axis=0) - drawn.points.min(axis=0)).astype(float)
    (left, low), (right, high) = (at[0] - far).tolist(), (at[0] + far).tolist()
    figure.update_layout(
        xaxis={"range": [left, right], "autorange": False}, yaxis={"range": [low, high], "autorange": False}
    )
    return True
