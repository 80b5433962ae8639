"""Figures as they are printed: vectors at a column's width, with their data beside them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from browser import needs_chromium
from kaleido.errors import ChromeNotFoundError

from workbench import plots
from workbench.errors import UserError
from workbench.plots import paper, style


def marks() -> go.Figure:
    figure = style.figure("Map of <b>x &lt; y</b>", "by PCA<br>of 3 nodes", 660)
    bars = {"error_y": {"array": [1, 2, 3], "arrayminus": [0, 1, 2]}}
    figure.add_scattergl(
        x=[1, 2, 3], y=[3.0, np.nan, 1.5], text=["<b>a</b><br>&amp;", "b", "c"], customdata=[7, 8, 9], name="nodes"
    )
    return figure.add_scatter(x=["p", "q", "r"], y=[1, 2, 3], **bars)


def test_the_data_of_a_figure_are_what_it_shows() -> None:
    figure = marks().add_heatmap(z=[[1, 2], [3, 4]], x=["u", "v"], y=["s", "t"], name="cells")
    rows = paper.data(figure)
    nodes = rows[rows["trace"] == "nodes"]
    assert nodes["node"].tolist() == [7, 8, 9] and nodes["x"].tolist() == [1, 2, 3]
    assert nodes["y"].isna().tolist() == [False, True, False] and nodes["text"].tolist() == ["a; &", "b", "c"]
    bars = rows[rows["trace"] == "trace 1"]
    assert bars["y above"].tolist() == [1, 2, 3] and bars["y below"].tolist() == [0, 1, 2]
    cells = rows[rows["trace"] == "cells"]
    assert cells[["x", "y", "z"]].values.tolist() == [["u", "s", 1], ["v", "s", 2], ["u", "t", 3], ["v", "t", 4]]
    assert paper.data(go.Figure()).empty


def test_paper_leaves_the_figure_alone_and_has_no_picture_of_dots() -> None:
    figure = marks()
    printed = paper.on_paper(figure)
    assert [trace.type for trace in printed.data] == ["scatter", "scatter"] and printed.layout.title.text is None
    assert figure.data[0].type == "scattergl" and figure.layout.title.text.startswith("Map")
    assert paper.caption(figure) == "Map of x < y. by PCA of 3 nodes"
    with pytest.raises(UserError, match="double"):
        paper.on_paper(figure, "doubl")


@pytest.mark.parametrize("width", paper.WIDTHS)
def test_square_panels_keep_their_size_beside_what_is_written_above_and_below(width: str) -> None:
    figure = style.figure("rings", "", 1500, rows=2, cols=2)
    style.bare(figure)
    for number in range(12):
        figure.add_scatter(x=[0], y=[0], name=f"class number {number}", showlegend=True)
    figure.add_annotation(text="one<br>two<br>three", y=1, yanchor="bottom", yref="y domain")
    layout = paper.on_paper(figure.update_layout(legend_orientation="h"), width).layout
    assert layout.margin.t >= 3 * 16  # pixels a line
    a_row = 2 if width == "single" else 6  # of entries in the legend
    assert layout.height >= layout.margin.t + layout.width + 15 * 12 / a_row


@needs_chromium
@pytest.mark.parametrize("width", paper.WIDTHS)
def test_a_saved_figure_is_vectors_of_the_columns_width(tmp_path: Path, width: str) -> None:
    files = plots.save(marks(), tmp_path / "deep" / "map", width)
    assert [file.name for file in files] == ["map.svg", "map.pdf", "map.csv", "map.txt"]
    svg, pdf = files[0].read_text(), files[1].read_bytes()
    millimetres = float(re.search(r'<svg[^>]* width="([\d.]+)mm"', svg)[1])
    assert millimetres == paper.WIDTHS[width] and "<image" not in svg and 'viewBox="0 0' in svg
    (across,) = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ", pdf)
    assert float(across) / 72 * 25.4 == pytest.approx(paper.WIDTHS[width], abs=0.6) and b"/Subtype /Image" not in pdf
    assert len(pd.read_csv(files[2])) == 6 and files[3].read_text().startswith("Map of x < y")


def test_without_a_browser_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ChromeNotFoundError

    monkeypatch.setattr(paper.kaleido, "write_fig_from_object_sync", missing)
    with pytest.raises(UserError, match="Chrome or Chromium"):
        plots.save(marks(), tmp_path / "map")
