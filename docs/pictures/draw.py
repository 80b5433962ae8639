"""Draw the README pictures from the runs of the tour (`make pictures`; needs a Chrome or Chromium)."""

from pathlib import Path

import plotly.io

import workbench as wb

graph = wb.load_graph("pydocs")
runs = [wb.fit(method, graph, preset="quick") for method in ("grace", "str-gcl", "e2neg")]
figures = {
    "scores": wb.plots.results_chart(wb.compare(runs, graph)),
    "map": wb.plots.embedding_map(runs[0], graph=graph),
}
files = [Path(__file__).with_name(f"{name}.png") for name in figures]
heights = [figure.layout.height for figure in figures.values()]
plotly.io.write_images(list(figures.values()), files, width=[900] * len(files), height=heights, scale=1.5)
print(*files, sep="\n")
