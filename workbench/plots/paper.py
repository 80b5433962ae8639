"""A figure on paper: as wide as a journal's column, in vectors, with the data that it shows beside it."""

import html
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import kaleido
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from kaleido.errors import ChromeNotFoundError

from workbench.errors import UserError, unknown
from workbench.plots.style import legend_rows
from workbench.text import cells

WIDTHS = {"single": 85, "double": 178}  # millimetres, of one column and of a page of two
SCALE = 12 / (7 * 25.4 / 72)  # pixels a millimetre: letters of 12 pixels become 7 points high


def on_paper(figure: go.Figure, width: str = "single") -> go.Figure:
    """Return a copy of a figure as it is printed: without what only a screen needs, its title being its `caption`."""
    if width not in WIDTHS:
        raise unknown("width", width, WIDTHS)
    facts = go.Figure(figure).to_plotly_json()
    for trace in facts["data"]:
        if trace["type"] == "scattergl":  # a picture of dots, which is not sharp on paper
            trace["type"] = "scatter"
    paper = go.Figure(facts["data"], facts["layout"])
    pixels = round(WIDTHS[width] * SCALE)
    height, above = (paper.layout.height or 420) - 50, _above(paper)
    if all(axis.visible is False for axis in (*paper.select_xaxes(), *paper.select_yaxes())):  # panels are square
        columns, rows = (len({axis.domain for axis in axes()}) for axes in (paper.select_xaxes, paper.select_yaxes))
        names = [trace.name or "" for trace in paper.data if trace.showlegend is not False]
        legend_below = width == "single" or paper.layout.legend.orientation == "h"
        below = 15 * legend_rows(names, pixels) if legend_below else 0
        height = min(height, round(rows * (pixels / max(columns, 1) + above) + below))
    legend = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"}
    paper.update_layout(
        title=None,
        width=pixels,
        height=height,
        margin={"l": 10, "r": 10, "t": above, "b": 10},
        sliders=[],
        updatemenus=[],
        autosize=False,
    )
    return paper.update_layout(legend=legend) if width == "single" else paper


def _above(figure: go.Figure) -> int:
    """Return the pixels that what is written above the panels of a figure takes."""
    notes = [note.text for note in figure.layout.annotations if note.y == 1 and note.yanchor == "bottom"]
    return max([30, *(8 + 16 * len(note.split("<br>")) for note in notes)])


def caption(figure: go.Figure) -> str:
    """Return title and subtitle of a figure as plain text."""
    title = figure.layout.title
    lines = [title.text or "", title.subtitle.text or ""]
    texts = [_words(line, " ").strip() for line in lines]
    return ". ".join(filter(None, texts))


def save(figure: go.Figure, path: str | Path, width: str = "single") -> list[Path]:
    """Write a figure as it is printed: PATH.svg, PATH.pdf, its data as PATH.csv and its caption as PATH.txt.

    Letters are 7 points high. A Chrome or Chromium draws it, which is looked for on this machine; nothing leaves it.

    Args:
        figure: any figure. path: of the files without their endings; folders are made.
        width: "single" for one column of a journal, 85 mm, or "double" for 178 mm.

    Returns:
        The files.

    Raises:
        UserError: no such width, or no Chrome or Chromium.
    """
    return _save({path: figure}, width)


def archive(figures: Mapping[str, go.Figure], width: str = "single") -> bytes:
    """Return a ZIP of what `save` writes of each figure, under its name; a UserError as there."""
    with TemporaryDirectory() as folder, BytesIO() as whole:
        with ZipFile(whole, "w", ZIP_DEFLATED) as packed:
            for path in _save({Path(folder, name): figure for name, figure in figures.items()}, width):
                packed.write(path, path.name)
        return whole.getvalue()


def _save(figures: Mapping[str | Path, go.Figure], width: str) -> list[Path]:
    """Write figures as they are printed, by their paths without endings; the browser that draws is started once."""
    papers = {path: on_paper(figure, width) for path, figure in figures.items()}
    drawn = {Path(f"{path}.{kind}"): paper for path, paper in papers.items() for kind in ("svg", "pdf")}
    draw(drawn)
    for path in drawn:
        if path.suffix == ".svg":
            path.write_text(measured(path.read_text(encoding="utf-8"), width), encoding="utf-8")
    return [*drawn, *(file for path, figure in figures.items() for file in write_beside(figure, path))]


def write_beside(figure: go.Figure, path: str | Path) -> list[Path]:
    """Write the data that a figure shows as PATH.csv, and its caption as PATH.txt; return the files."""
    files = [Path(f"{path}.{ending}") for ending in ("csv", "txt")]
    files[0].parent.mkdir(parents=True, exist_ok=True)
    cells(data(figure)).to_csv(files[0], index=False)
    files[1].write_text(caption(figure) + "\n", encoding="utf-8")
    return files


def draw(papers: Mapping[Path, go.Figure]) -> None:
    """Draw figures for paper into files, by their endings.

    Raises:
        UserError: there is no Chrome or Chromium here.
    """
    asked = []
    for path, paper in papers.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        kind, layout = path.suffix[1:], paper.layout
        # A PDF's pixel is 1/96 inch.
        options = {"format": kind, "width": layout.width, "height": layout.height}
        options["scale"] = 96 / 25.4 / SCALE if kind == "pdf" else 1
        asked.append({"fig": paper.to_plotly_json(), "path": path, "opts": options})
    try:
        failures = kaleido.write_fig_from_object_sync(asked, kopts={"mathjax": False})
    except ChromeNotFoundError as error:
        raise UserError(
            "SVG and PDF are drawn by Chrome or Chromium, and none was found on this machine; install one, or use the "
            "camera in the figure's toolbar"
        ) from error
    if failures:
        raise failures[0]


def data(figure: go.Figure) -> pd.DataFrame:
    """Return what a figure shows, one row per mark or cell: trace, place, value, what is told of it, and its node."""
    parts = []
    for place, trace in enumerate(figure.data):
        rows = _rows(trace)
        if rows:
            parts.append(pd.DataFrame({"trace": trace.name or f"trace {place}", **rows}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"trace": []})


def _rows(trace: Any) -> dict[str, Any]:
    """Return the columns of one trace, as long as it has marks or cells."""
    facts = trace.to_plotly_json()
    if facts.get("z") is not None:
        z = np.asarray(facts["z"])
        rows, columns = np.indices(z.shape).reshape(2, -1)
        ends = {"x": facts.get("x", range(z.shape[1])), "y": facts.get("y", range(z.shape[0]))}
        return {"x": np.asarray(ends["x"])[columns], "y": np.asarray(ends["y"])[rows], "z": z.ravel()}
    marker = facts.get("marker") or {}
    listed = {key: facts[key] for key in ("x", "y", "text") if facts.get(key) is not None}
    listed |= {"node": facts.get("customdata"), "colour": marker.get("color"), "size": marker.get("size")}
    for axis in ("x", "y"):
        bars = facts.get(f"error_{axis}") or {}
        listed |= {f"{axis} above": bars.get("array"), f"{axis} below": bars.get("arrayminus")}
    count = max((len(listed[axis]) for axis in ("x", "y") if axis in listed), default=0)
    found = {name: np.asarray(value) for name, value in listed.items() if isinstance(value, list | tuple | np.ndarray)}
    found = {name: value for name, value in found.items() if value.shape == (count,)}
    if "text" in found:
        found["text"] = np.array([_words(str(told), "; ") for told in found["text"]], dtype=object)
    return found if count else {}


def _words(markup: str, between: str) -> str:
    """Return the text of what plotly reads as markup, something else between its lines."""
    return html.unescape(re.sub("<[^>]*>", "", re.sub("<br[^>]*>", between, markup)))


def measured(svg: str, width: str) -> str:
    """Return an SVG whose size is that of the paper instead of pixels."""
    found = re.search(r'<svg\b[^>]*?\bwidth="([\d.]+)"[^>]*?\bheight="([\d.]+)"', svg)
    if found is None:
        raise ValueError("this is no SVG of plotly's")
    across, down = map(float, found.groups())
    size = f'width="{WIDTHS[width]}mm" height="{down * WIDTHS[width] / across:.2f}mm"'
    head = re.sub(r'\bwidth="[\d.]+"', size, re.sub(r'\bheight="[\d.]+"\s*', "", found[0]), count=1)
    if "viewBox" not in svg[: found.end() + 200]:
        head = head.replace("<svg", f'<svg viewBox="0 0 {across:g} {down:g}"', 1)
    return head.join([svg[: found.start()], svg[found.end() :]])
