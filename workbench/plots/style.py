"""One look for all figures, on light paper and on dark: templates, neutrals, and the colour and symbol of a class."""

import html
import re
import sys
import textwrap
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from workbench.text import markup
from workbench.training.run import Run

# To show a figure plotly imports nbformat, for which 38 grammars are compiled in two seconds, and asks for its version.
if "nbformat" not in sys.modules:
    sys.modules["nbformat"] = ModuleType("nbformat")
    vars(sys.modules["nbformat"])["__version__"] = version("nbformat")
    _ = pio.renderers
    del sys.modules["nbformat"]

Ids = NDArray[np.int64]
Names = Sequence[object] | None  # of nodes, or of classes
# The neutrals; like all colours here by their value on light paper, which `dark` turns into the one for dark paper.
INK = "#222222"  # text, and outlines that are to stand out
MUTED = "#5A5A5A"  # text beside the main one, and the outlines of marks
GREY = "#8A8A8A"  # axes, reference lines, and what was not trained
FAINT = "#C8C8C8"  # what lies in the background: edges, other nodes, nodes without a label
LINE = "#E5E5E5"  # grids, and the neutral end of a colour scale
PAPER = "#FFFFFF"
COOL, WARM = "#8EC3E6", "#F0BE82"  # the full ends of a colour scale that is written on
# Okabe and Ito's hues without their yellow, which is lost on white; wine (Paul Tol, "muted") takes its place. Each has
# a contrast of three to one with the paper, and any two of them stay apart in each kind of colour vision.
COLOURS = ("#005CA0", "#D47E00", "#0A8650", "#C977A5", "#239CDB", "#BB4300", "#882255", INK)
_INKS_ON_DARK = ("#2078BC", "#E69F00", "#22A06B", "#CC79A7", "#66BDF5", "#D55E00", "#A8437A", "#EAEAEA")
ON_DARK = dict(zip(COLOURS, _INKS_ON_DARK, strict=True)) | {MUTED: "#B3B3B3", GREY: "#808080", FAINT: "#505050"}
ON_DARK |= {LINE: "#303030", PAPER: "#111111", COOL: "#0F5A8C", WARM: "#7A4A00"}
SYMBOLS = ("circle", "diamond", "x", "triangle-up")
SCALE = "Viridis"  # even in lightness, so that it reads in each kind of colour vision; marks on it have an outline
RING = {"symbol": "circle-open", "color": INK, "line": {"width": 2}}  # around a mark that is looked at
PANNED = {"dragmode": "pan", "hovermode": "closest", "modebar_orientation": "v"}  # the layout of what is clicked on
_TOP = 40  # pixels above a title, where the buttons stand
_APART = 75  # pixels between panels that stand below one another: a title of an axis, and what stands above the next
BESIDE = {"x": 1.01, "xref": "paper", "xanchor": "left", "showarrow": False}  # a number in the margin on the right


def _turned(value: Any) -> Any:
    """Return a part of a figure with each colour that stands in it, or in its markup, as it is on dark paper."""
    if isinstance(value, dict):
        return {key: _turned(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_turned, value))
    if isinstance(value, np.ndarray) and value.dtype.kind in "OU":
        return np.array(list(map(_turned, value.tolist())), dtype=object)
    if isinstance(value, str):
        return ON_DARK.get(value) or re.sub("(?<=color:)#[0-9A-F]{6}", lambda hit: ON_DARK.get(hit[0], hit[0]), value)
    return value


_AXIS = {
    "showgrid": True,
    "gridcolor": LINE,
    "zeroline": False,
    "linecolor": GREY,
    "showline": True,
    "ticks": "outside",
    "tickcolor": GREY,
    "ticklen": 4,
    "title": {"font": {"size": 13}, "standoff": 8},
    "automargin": True,
}
_LEFT = {"x": 0, "xref": "paper", "xanchor": "left"}
_LAYOUT: dict[str, Any] = {
    "font": {"family": "Inter, Helvetica Neue, Arial, DejaVu Sans, sans-serif", "size": 12, "color": INK},
    "title": {"font": {"size": 16}, "subtitle": {"font": {"size": 12, "color": MUTED}}, **_LEFT},
    "colorway": COLOURS,
    "paper_bgcolor": PAPER,
    "plot_bgcolor": PAPER,
    "margin": {"l": 60, "r": 20, "t": 80, "b": 50},
    "xaxis": _AXIS,
    "yaxis": _AXIS,
    "hoverlabel": {"align": "left", "bgcolor": PAPER},
    "legend": {"itemsizing": "constant", "font": {"size": 11}, "tracegroupgap": 0},
    "colorscale": {"sequential": SCALE},
    "sliderdefaults": {"bgcolor": FAINT, "activebgcolor": GREY, "bordercolor": GREY, "tickcolor": GREY},
}
pio.templates["workbench"] = go.layout.Template(layout=_LAYOUT)
pio.templates["workbench-dark"] = go.layout.Template(layout=_turned(_LAYOUT))
# Of a figure on a screen. By default plotly's toolbar offers to send the figure, data and all, to a company's servers.
CONFIG: dict[str, Any] = {"responsive": True, "displaylogo": False, "showSendToCloud": False, "plotlyServerURL": ""}
CONFIG["toImageButtonOptions"] = {"format": "svg", "filename": "figure"}


def dark(fig: go.Figure) -> go.Figure:
    """Return a copy of a figure of the workbench for dark paper; of one that is for dark paper already, the same."""
    copy = go.Figure(fig)
    for part in (*copy.data, *copy.frames, copy.layout):
        part.update(_turned(part.to_plotly_json()), overwrite=True)
    return copy


def narrow(fig: go.Figure) -> go.Figure:
    """Return a copy of a figure for a page as narrow as a telephone's: titles wrapped, all else below or inside.

    What it takes in height it is given, so that the panels keep theirs.
    """
    copy, layout = go.Figure(fig), fig.layout
    title, subtitle = _wrapped(layout.title.text, 32), _wrapped(layout.title.subtitle.text, 46)
    above = 20 * (title.count("<br>") - str(layout.title.text).count("<br>"))
    above += 16 * (subtitle.count("<br>") - str(layout.title.subtitle.text).count("<br>"))
    margin = {**_LAYOUT["margin"], **layout.margin.to_plotly_json()}
    lines = 21 * (title.count("<br>") + 1) + 16 * (subtitle.count("<br>") + 1) * bool(subtitle)
    above = max(above, _TOP + lines + 12 - margin["t"])
    names = [str(trace.name) for trace in fig.data if trace.name and trace.showlegend is not False]
    below = 0
    if (len(names) > 1 or any(trace.showlegend for trace in fig.data)) and layout.showlegend is not False:
        rows, known = 19 * legend_rows(names, 250), layout.legend.orientation == "h"
        rows += 22 if layout.legend.title.text else 0
        below = max(0, rows + 40 - margin["b"]) if known else rows
        beside = {"y": 0, "yref": "container", "yanchor": "bottom", "xref": "container", "title_side": "top"}
        copy.update_layout(legend={"orientation": "h", "x": 0, "xanchor": "left", **({} if known else beside)})
    inside = {"x": 1, "xanchor": "right", "yanchor": "bottom"}
    copy.for_each_annotation(
        lambda note: note.update(inside if note.xref == "paper" and note.x > 1 else {}, font_size=10)
    )
    space = {"t": margin["t"] + above, "r": min(margin["r"], 20), "b": margin["b"] + below}
    copy.update_layout(height=(layout.height or 450) + above + below, margin=space)
    _stack(copy)
    copy.update_layout(title={"text": title, "subtitle": {"text": subtitle}, "xref": "container", "x": 0.02})
    return copy.update_layout(title={"yref": "container", "y": 1, "yanchor": "top", "pad": {"t": _TOP}})


def _stack(fig: go.Figure) -> None:
    """Put panels that stand side by side below one another, each as high as before and with what is written on it."""
    layout, used = fig.layout, {trace.xaxis or "x" for trace in fig.data if "xaxis" in trace}
    axes = [layout[name.replace("x", "xaxis")] for name in used]
    panels = [(x, layout[(x.anchor or "y").replace("y", "yaxis")]) for x in axes if x.domain]
    if len({x.domain for x, _ in panels}) < 2:
        return
    pixels = layout.height - layout.margin.t - layout.margin.b
    panels.sort(key=lambda panel: (-panel[1].domain[1], panel[0].domain[0]))
    heights = [pixels * (y.domain[1] - y.domain[0]) for _, y in panels]
    above = [[note for note in layout.annotations if _stands(note, x, y)] for x, y in panels]
    apart = _APART + 13 * max((note.text.count("<br>") for notes in above for note in notes), default=0)
    whole, start = sum(heights) + apart * (len(panels) - 1), 0.0
    for (x, y), height, notes in zip(panels, heights, above, strict=True):
        top = 1 - start / whole
        for note in notes:
            note.update(x=0.5, y=top)
        x.domain, y.domain, start = (0, 1), (max(0.0, top - height / whole), top), start + height + apart
        if y.matches:
            y.showticklabels = True
    layout.height += round(whole - pixels)


def _stands(note: Any, x: Any, y: Any) -> bool:
    """Return whether a note is the title of the panel of two axes."""
    return note.yref == "paper" and np.allclose((note.x, note.y), (sum(x.domain) / 2, y.domain[1]))


def _wrapped(markup: str | None, letters: int) -> str:
    """Return markup with no more than so many letters in a line, longer words broken, and no line almost empty."""
    lines = list[str]()
    for line in (markup or "").split("<br>"):
        words = [part for word in re.findall(r"(?:<[^>]*>|[^ <])+", line) for part in _parts(word, letters)]
        least = max(map(_letters, words), default=letters)
        filled = [_filled(words, most) for most in range(least, letters + 1)]
        fewest = min(filled, key=len)
        lines += fewest  # of equally many lines those of the least width, which are about equally long
    return "<br>".join(lines)


def _parts(word: str, letters: int) -> list[str]:
    """Break a word of markup that has more than so many letters, where it can be after a dot or the like."""
    some = f"(?:(?:<[^>]*>)*(?:&[#\\w]+;|[^<])(?:<[^>]*>)*){{1,{letters}}}"
    return re.findall(f"{some}$|{some}(?<=[-._/,)])|{some}", word) if _letters(word) > letters else [word]


def _letters(markup: str) -> int:
    return len(html.unescape(re.sub("<[^>]*>", "", markup)))


def _filled(words: Sequence[str], letters: int) -> list[str]:
    """Fill lines with words, each with as many as have so many letters."""
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _letters(longer) > letters:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def figure(title: str, subtitle: str = "", height: int = 420, **panels: Any) -> go.Figure:
    """Return an empty figure in the workbench's look, as wide as the page; `panels` are those of `make_subplots`."""
    fig = make_subplots(**panels) if panels else go.Figure()
    fig.update_layout(template="workbench", height=height, title={"text": title, "subtitle": {"text": subtitle}})
    return fig


def plain(words: object) -> str:
    """Return words as they are, for a place in a figure where plotly reads markup and, under the pointer, "%{...}"."""
    return markup(words)


def quoted(name: str) -> str:
    """Return what a selection is called in a legend, as markup: short and in quotes."""
    return plain(f"“{textwrap.shorten(name, 24, placeholder='…')}”")


def legend_rows(names: Sequence[str], pixels: int) -> int:
    """Return about how many rows a legend below a figure has in some pixels; each entry is as wide as the longest."""
    return -(-len(names) // max(1, pixels // (45 + 6 * max(map(len, names), default=0))))


def small(line: str) -> str:
    """Return a line of explanation that stands below a title, as markup."""
    return f'<br><span style="font-size:12px;color:{MUTED}">{line}</span>'


def points(
    places: NDArray[Any] | tuple[Any, Any],
    marker: dict[str, Any],
    text: Sequence[str] | None = None,
    nodes: Ids | None = None,
    gl: bool = False,
    **more: Any,
) -> go.Scatter | go.Scattergl:
    """Return marks at some places [marks, 2] as one trace, without an entry in the legend unless asked for one.

    The text of each, as HTML, is told under the pointer; the node of each is there for clicks and selections. With `gl`
    the graphics card draws them, for very many. All else are properties of the trace.
    """
    untold = text is None and "hovertemplate" not in more
    hover = {"hoverinfo": "skip"} if untold else {"text": text, "hovertemplate": "%{text}<extra></extra>"}
    trace = {"mode": "markers", "showlegend": False, "marker": marker, "customdata": nodes, **hover, **more}
    x, y = places if isinstance(places, tuple) else places.T
    return (go.Scattergl if gl else go.Scatter)(x=x, y=y, **trace)


def squares(z: Any, rows: Sequence[str], columns: Sequence[Any], ends: tuple[float, float], **more: Any) -> go.Heatmap:
    """Return a square per row and column, in whose colour between two ends a number can be read."""
    look = {"xgap": 2, "ygap": 2, "hoverongaps": False, "textfont_color": INK, "colorbar_thickness": 12}
    return go.Heatmap(z=z, x=columns, y=rows, zmin=ends[0], zmax=ends[1], **look, **more)


def interval(middle: Any, low: Any, high: Any, thickness: float = 1.5, width: float = 4) -> dict[str, Any]:
    """Return the bars between two ends [marks] around what stands between them."""
    ends = {"array": high - middle, "arrayminus": middle - low}
    return {"type": "data", "symmetric": False, **ends, "thickness": thickness, "width": width}


def binned(values: Any, bins: int, ends: tuple[float, float] | None = None) -> tuple[NDArray, NDArray, float]:
    """Return of some bins the middles, how many values fall into each, and their width; the upper end is included."""
    counts, edges = np.histogram(values, bins, ends)
    return (edges[:-1] + edges[1:]) / 2, counts, float(edges[1] - edges[0])


def class_marker(index: int) -> dict[str, str]:
    """Return the colour and symbol of a class, of a negative one that of "no label"; 32 classes can be told apart."""
    if index < 0:
        return {"color": FAINT, "symbol": "circle"}
    return {"color": COLOURS[index % len(COLOURS)], "symbol": SYMBOLS[index // len(COLOURS) % len(SYMBOLS)]}


def class_name(index: int, names: Names, otherwise: str = "") -> str:
    """Return what a class is called in a figure; `otherwise` stands before the number of one without a name."""
    return "no label" if index < 0 else str(names[index]) if names else f"{otherwise}{index}"


def bare(fig: go.Figure, row: int | None = None, col: int | None = None) -> None:
    """Hide the axes of a panel in which places have no unit, and keep its aspect."""
    fig.update_xaxes(visible=False, row=row, col=col).update_yaxes(visible=False, row=row, col=col)


def run_labels(runs: Sequence[Run]) -> list[str]:
    """Name each run by its method and by whatever else tells it from the other runs of that method."""
    facts = [{"method": run.method, "graph": run.graph, "seed": run.seed, **run.config.flat()} for run in runs]
    labels = []
    for run, mine in zip(runs, facts, strict=True):
        others = [other for other in facts if other["method"] == run.method]
        differing = [f"{key}={value}" for key, value in mine.items() if any(other[key] != value for other in others)]
        labels.append(f"{run.method} ({', '.join(differing)})" if differing else run.method)
    return labels
