"""Where two embeddings of the same nodes agree and where they don't: class by class, and on two maps."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from workbench.errors import UserError, unknown
from workbench.evaluation.alignment import SIDES, Agreement
from workbench.evaluation.coloured import HITS
from workbench.evaluation.projection import Map
from workbench.plots import maps, style

CLASS, OVERLAP = "class", "neighbourhood overlap"
LOOK = "classes are used to look, never to train"
_NEAR = "turned to lie as near as can be to"
_TURNED = (f"the other map is {_NEAR} this one", f"{_NEAR} the other")
_SYMBOLS = ("circle", "diamond")  # of the two embeddings, as are the first two colours
_CHANGE = [[0, style.COOL], [0.5, style.LINE], [1, style.WARM]]  # which numbers can be read on
_INTERVAL = ["overlap", "low", "high"]
_LAST, _LEGEND = 2000, 345  # rank of the rings in the legend, and its pixels where a map takes half of the page
_WRITTEN = 12  # classes; the cells of more are too small to write in


def agreement_chart(agreement: Agreement, names: tuple[str, str] = SIDES) -> go.Figure:
    """Draw a row per class how far two embeddings, called by `names`, agree on it; without classes it is a UserError.

    Four panels: the mean neighbourhood overlap with its 95 % bootstrap interval over nodes and, dashed, what chance
    would give; the confusion in both embeddings; how alike the other classes around it are; its abundance in both.
    """
    table, names = _classes(agreement), _escaped(names)
    rows = [f"{style.plain(name)} ({count:,})" for name, count in table["nodes"].items()]
    panels = {"rows": 1, "cols": 4, "shared_yaxes": True, "horizontal_spacing": 0.04}
    subtitle = f"k = {agreement.k} nearest by cosine; nodes of each class in brackets; {LOOK}"
    fig = style.figure("On which classes do the embeddings agree?", subtitle, 210 + 24 * len(rows), **panels)
    intervals = [f"overlap {x:.2f} [{low:.2f}, {high:.2f}]" for x, low, high in table[_INTERVAL].to_numpy()]
    bars = style.interval(*(table[name] for name in _INTERVAL))
    fig.add_trace(_dots(table["overlap"], rows, intervals, error_x=bars), 1, 1)
    fig.add_trace(_dots(table["neighbourhood"], rows, [f"cosine {x:.3f}" for x in table["neighbourhood"]]), 1, 3)
    for column, measure in ((2, "confusion"), (4, "abundance")):
        pair = [table[f"{measure}, {side}"] for side in SIDES]
        between = np.column_stack([*pair, np.full(len(rows), np.nan)]).ravel()
        line = {"mode": "lines", "line": {"color": style.FAINT, "width": 3}, "hoverinfo": "skip", "showlegend": False}
        fig.add_scatter(x=between, y=np.repeat(rows, 3), row=1, col=column, **line)
        for place, values in enumerate(pair):
            text = [f"{measure} {x:.2f}, {names[place]}" for x in values]
            legend = {"name": names[place], "legendgroup": names[place], "showlegend": column == 2}
            fig.add_trace(_dots(values, rows, text, style.COLOURS[place], _SYMBOLS[place], **legend), 1, column)
    chance = agreement.summary.loc["neighbourhood overlap", "chance"]
    fig.add_vline(x=chance, row=1, col=1, line={"dash": "dash", "color": style.GREY, "width": 1.2})
    titles = (
        "neighbourhood overlap<br>(share of k)",
        "confusion<br>(share of neighbours)",
        "neighbourhood<br>(cosine, no unit)",
        "abundance<br>(log ratio, no unit)",
    )
    for column, title in enumerate(titles, start=1):
        fig.update_xaxes(title=title, rangemode="normal" if column > 2 else "tozero", row=1, col=column)
    fig.update_yaxes(autorange="reversed", ticks="", categoryorder="array", categoryarray=rows)
    return fig.update_layout(margin_b=110, legend={"orientation": "h", "x": 0, "y": 0, "yref": "container"})


def confusion_change(agreement: Agreement, names: tuple[str, str] = SIDES) -> go.Figure:
    """Draw how the classes around the nodes of each class differ between two embeddings, as for `agreement_chart`.

    One square per pair of classes says by how many percentage points the share of the neighbours of a class (row) that
    are of a class (column) is larger in the second embedding.
    """
    table, names = _classes(agreement), _escaped(names)
    change = 100 * (agreement.confusion[1] - agreement.confusion[0]).to_numpy()
    most = max(float(np.nanmax(np.abs(change))), 1.0)
    called = [style.plain(name) for name in table.index]
    subtitle = f"{names[1]} − {names[0]}; each row adds up to 0<br>k = {agreement.k} nearest by cosine; {LOOK}"
    fig = style.figure("Which classes came closer, which moved apart?", subtitle, 240 + 30 * len(called))
    written = "%{z:+.1f}" if len(called) <= _WRITTEN else None
    hover = "of %{y}'s neighbours, %{z:+.2f} points are %{x}<extra></extra>"
    look = {"colorscale": _CHANGE, "colorbar_title": "points", "texttemplate": written, "hovertemplate": hover}
    fig.add_trace(style.squares(change, called, called, (-most, most), **look))
    fig.update_xaxes(title="class of the neighbour", type="category", showgrid=False, ticks="")
    fig.update_yaxes(title="class of the node", type="category", autorange="reversed", showgrid=False, ticks="")
    return fig.update_layout(margin_t=100)


def colours(agreement: Agreement) -> list[str]:
    """Return what nodes on the two maps can be coloured by."""
    return [OVERLAP, HITS] if agreement.classes.empty else [CLASS, OVERLAP, HITS]


def agreement_maps(
    agreement: Agreement,
    drawn: tuple[Map, Map],
    colour: str = OVERLAP,
    names: tuple[str, str] = SIDES,
    chosen: int | None = None,
    node_names: style.Names = None,
) -> tuple[go.Figure, go.Figure]:
    """Draw the maps of two embeddings, to stand side by side: same nodes, same colours, same axes.

    Args:
        agreement: from `evaluation.agreement`. names: of the two embeddings. node_names: of the nodes of the graph.
        drawn: their maps, of the same nodes, the second turned to lie as near as can be to the first.
        colour: one of `colours`; a UserError where there is no such one.
        chosen: a node that is ringed on both maps, with its nearest nodes in either embedding.
    """
    if colour not in colours(agreement):
        raise unknown("colour", colour, colours(agreement), "" if CLASS in colours(agreement) else "without classes")
    nodes = agreement.nodes.sort_values("node")
    classes = nodes["class"].cat
    ends = maps.spans([side.points for side in drawn])
    figures = []
    for place, (side, name) in enumerate(zip(drawn, names, strict=True)):
        values = np.asarray({CLASS: classes.codes, OVERLAP: nodes["overlap"], HITS: side.hits_of(len(nodes))}[colour])
        fig = maps.map_figure(side, values, colour, name, _TURNED[place], [*classes.categories], node_names)
        fig.add_traces(_rings(agreement, side, chosen))
        entries = [trace.name or "" for trace in fig.data if trace.showlegend is not False or trace.legendrank == _LAST]
        scaled = [trace for trace in fig.data if trace.marker.showscale]
        for trace in scaled:
            bar = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.13, "yanchor": "top", "len": 0.6}
            trace.marker.update(cmin=0, cmax=1, colorbar={**bar, "thickness": 12, "title_side": "top"})
        for axis, title, span in zip((fig.layout.xaxis, fig.layout.yaxis), (1, 2), ends, strict=True):
            axis.update(range=span, title=f"{side.method.upper()} {title}{', turned' * place} (no unit)")
        legend = {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"}
        legend["title"] = {"text": "" if scaled else colour, "side": "top"}
        below = 150 if scaled else 90 + 19 * style.legend_rows(entries, _LEGEND)
        figures.append(fig.update_layout(height=470 + below, legend=legend, margin={"b": below, "l": 40, "t": 124}))
    return figures[0], figures[1]


def side_by_side(figures: tuple[go.Figure, go.Figure], title: str) -> go.Figure:
    """Put two maps into one figure that needs no screen to change it."""
    titles = [side.layout.title.text for side in figures]
    panels = {"rows": 1, "cols": 2, "horizontal_spacing": 0.04, "subplot_titles": titles}
    fig = style.figure(style.plain(title), "", figures[0].layout.height + 40, **panels)
    for column, (side, note) in enumerate(zip(figures, fig.layout.annotations, strict=True), start=1):
        note.text += style.small(side.layout.title.subtitle.text)
        fig.add_traces(side.data, rows=1, cols=column)
        fig.update_xaxes(side.layout.xaxis, row=1, col=column)
        fig.update_yaxes(side.layout.yaxis, row=1, col=column)
    fig.update_traces(showlegend=False, marker_showscale=False, col=2)
    place, layout = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 24}}, figures[0].layout
    return fig.update_layout(legend=layout.legend, margin=layout.margin, margin_t=164, title=place)


def _rings(agreement: Agreement, drawn: Map, chosen: int | None) -> list[go.Scattergl]:
    """Return marks around a node and its nearest in either embedding, without points where none is chosen."""
    groups: dict[str, tuple[Any, str, str, int]] = {}
    # Names of the two may be long, and so would be all entries of the legend.
    for place, (name, near) in enumerate(zip(("the first", "the second"), agreement.nearest, strict=True)):
        ids = [] if chosen is None else near.indices[chosen]
        groups[f"nearest in {name}"] = (ids, style.COLOURS[place], f"{_SYMBOLS[place]}-open", 13 + 3 * place)
    groups["chosen"] = ([chosen], style.INK, "circle-open", 22)
    traces = []
    for name, (ringed, colour, symbol, size) in groups.items():
        mine = np.isin(drawn.nodes, [] if chosen is None else ringed)
        marker = {"color": colour, "symbol": symbol, "size": size, "line": {"width": 2}}
        look: dict[str, Any] = {"name": name, "showlegend": chosen is not None, "legendrank": _LAST}
        look |= {"selectedpoints": list(range(mine.sum())), "unselected": {"marker": {"opacity": 1}}}
        traces.append(style.points(drawn.points[mine], marker, gl=True, **look))
    return traces


def _classes(agreement: Agreement) -> Any:
    if agreement.classes.empty:
        raise UserError("this agreement knows no classes: the graph has no labels, so give it groups= [nodes]")
    return agreement.classes


def _escaped(names: tuple[str, str]) -> tuple[str, str]:
    return style.plain(names[0]), style.plain(names[1])


def _dots(
    x: Any, rows: list[str], text: list[str], colour: str = style.INK, symbol: str = "circle", **more: Any
) -> Any:
    more |= {"hovertemplate": "%{y}<br>%{text}<extra></extra>", "cliponaxis": False}
    return style.points((x, rows), {"size": 9, "color": colour, "symbol": symbol}, text, **more)
