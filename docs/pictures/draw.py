"""Draw the pictures of the README and of docs/performance.md (`make pictures`; needs a Chrome or Chromium).

A word, "readme", "performance", "leaderboard" or "widgets", draws some: those of one page, or the README's screenshots
of widgets.
"""

import json
import sys
import tempfile
from pathlib import Path

import plotly.graph_objects as go
import plotly.io

import workbench as wb
from workbench.plots import style

HERE = Path(__file__).parent
WIDTH = 900
MOST = {"explorer": 710, "microscope": 694, "rules": 884}  # pixels of a screenshot, which ends below a figure


def cost_of_nodes(rows: list[dict]) -> go.Figure:
    """Return the seconds of an epoch against the nodes, a line per method, the fitted exponent in its name."""
    figure = style.figure("An epoch against the size of the graph", "Sampled batches, quick presets, one thread")
    methods = dict.fromkeys(row["case"].split(",")[0] for row in rows)
    for method in methods:
        own = [row for row in rows if row["case"].startswith(f"{method},")]
        nodes, seconds = [row["nodes"] for row in own], [row["seconds_per_epoch"] for row in own]
        name = f"{method}, exponent {own[-1]['exponent']:.2f}"
        figure.add_scatter(x=nodes, y=seconds, mode="lines+markers", name=name)
    figure.update_xaxes(type="log", dtick=1, title="nodes, ten edges each")
    figure.update_yaxes(type="log", dtick=1, title="seconds an epoch of batches")
    return figure


def time_of_memory(rows: list[dict]) -> go.Figure:
    """Return the time of GRACE's loss on Photo against the memory that its tiles may keep."""
    budgets, times = [row["budget_mib"] for row in rows], [row["times_the_fastest"] for row in rows]
    text = [f"peak {row['peak_mib']:,.0f} MiB" for row in rows]
    figure = style.figure("What memory buys", "GRACE's loss and gradient on Photo, by what its tiles may keep", 380)
    figure.add_scatter(x=budgets, y=times, mode="lines+markers+text", text=text, textposition="top center")
    figure.update_xaxes(type="log", tickvals=budgets, title="budget in MiB, 512 by default")
    figure.update_yaxes(title="time, of the fastest", range=[0, 1.6])
    return figure


def of_performance() -> dict[str, go.Figure]:
    """Return the pictures of docs/performance.md."""
    stored = json.loads((HERE.parent / "results" / "performance.json").read_text())
    return {
        "nodes": cost_of_nodes(stored["million"]["rows"]),
        "budget": time_of_memory(stored["memory-budget"]["rows"]),
    }


def of_leaderboard() -> dict[str, go.Figure]:
    """Return the pictures of docs/results/leaderboard.md, from its kept results."""
    board = wb.studies.leaderboard.board(wb.studies.read("leaderboard"))
    best = board[board["kind"] == "trained"].groupby("data")["training seeds"].max().idxmax()
    return {
        "leaderboard": wb.plots.gains_chart(board),
        "leaderboard-cost": wb.plots.cost_chart(board[board["data"] == best]).update_layout(
            title_text=f"{best}: what training gains, and what it costs"
        ),
        "leaderboard-intervals": wb.plots.difference_chart(
            wb.studies.leaderboard.gains(board), "Above the best of what trains nothing?"
        ),
    }


def of_readme() -> dict[str, go.Figure]:
    """Return the pictures of the README, from three trainings."""
    graph = wb.load_graph("pydocs")
    runs = [wb.fit(method, graph, preset="quick") for method in ("grace", "str-gcl", "e2neg")]
    return {
        "scores": wb.plots.results_chart(wb.compare(runs, graph)),
        "map": wb.plots.embedding_map(runs[0], graph=graph),
    }


WIDGETS = """
import workbench as wb
graph = wb.load_graph("pydocs")
run = wb.fit("grace", graph, preset="quick", progress=False)
explorer = wb.widgets.embedding_explorer(run, graph, method="pca")
explorer.select((graph.y == 3).nonzero().flatten().tolist())
microscope = wb.widgets.microscope(graph, ("uniform", "hop-near"), anchor=100, k=8, embedding=run)
display(explorer, microscope, wb.widgets.rule_explorer(graph, "hub-periphery", embedding=run))
"""
READY = """() => {
  const plots = [...document.querySelectorAll(".js-plotly-plot")];
  return plots.filter((plot) => plot.querySelector(".main-svg")).length > 3
    && !document.querySelector(".jp-OutputArea").innerText.includes("Computing");
}"""


def of_widgets() -> None:
    """Take the README's screenshots of widgets from JupyterLab, with the browser of the tests."""
    sys.path.append(str(HERE.parents[1] / "tests"))
    from browser import chromium, lab

    with tempfile.TemporaryDirectory() as folder, lab(Path(folder), WIDGETS) as (address, token), chromium() as started:
        page = started.new_page(viewport={"width": 1180, "height": 1500})
        page.set_default_timeout(300_000)
        page.goto(f"{address}/lab/tree/look.ipynb?token={token}&reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel")
        page.evaluate("() => { window.jupyterapp.commands.execute('application:toggle-left-area') }")
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        page.wait_for_function(READY)
        page.wait_for_timeout(5_000)  # until all have taken the width that there is
        for place, (name, most) in enumerate(MOST.items()):
            shown = page.locator(".jp-OutputArea-output:has(.jupyter-widgets)").nth(place)
            shown.evaluate("e => e.scrollIntoView({ block: 'start' })")
            page.wait_for_timeout(2_000)
            box = shown.bounding_box()
            height = min(box["height"], most)
            page.screenshot(path=HERE / f"{name}.png", clip={**box, "height": height})
            print(HERE / f"{name}.png")


pages = {"performance": of_performance, "leaderboard": of_leaderboard, "readme": of_readme}
for page in sys.argv[1:] or [*pages, "widgets"]:
    if page == "widgets":
        of_widgets()
        continue
    figures = pages[page]()
    files = [HERE / f"{name}.png" for name in figures]
    heights = [figure.layout.height for figure in figures.values()]
    plotly.io.write_images(list(figures.values()), files, width=[WIDTH] * len(files), height=heights, scale=1.5)
    print(*files, sep="\n")
