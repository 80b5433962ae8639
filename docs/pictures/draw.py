"""Draw the README's pictures from the tour's own runs, trained or loaded (`make pictures`; needs Chrome or Chromium)."""

from pathlib import Path

import plotly.io

import workbench as wb

graph = wb.load_graph("pydocs")
runs = [wb.fit(method, graph, preset="quick") for method in wb.methods.names()]
figures = {
    "scores": wb.plots.results_chart(wb.compare(runs, graph)),
    "map": wb.plots.embedding_map(runs[0], graph=graph),
    "curves": wb.plots.loss_curves(runs),
}
files = [Path(__file__).with_name(f"{name}.png") for name in figures]
plotly.io.write_images(list(figures.values()), files, scale=1.5)
print(*files, sep="\n")
