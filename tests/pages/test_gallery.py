"""The gallery: a card and a page per notebook, which show all they have to show without network."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import kaleido
import nbformat
import pytest
from browser import chromium, faults, needs_chromium
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from plotly.offline import get_plotlyjs

from workbench import cli
from workbench.pages import gallery
from workbench.pages.html import FIGURE, as_page
from workbench.pages.notebooks import Outcome

DRAW = "import plotly.graph_objects as go\nimport numpy as np\n"
FORMULAS = """# Formulas

The loss is $\\frac{a}{b_i}$ of each pair. Then

$$\\sum_{u \\in N(v)} \\deg(u) \\le 6$$

\\begin{align} a &= b < c \\end{align}

and one that nobody can read, $a_b_c$. Prices: `$5`."""
NOTEBOOKS = {
    "00_figures": [
        "# Two *figures* & a table\n\nFirst. This notebook shows [dots](https://example.org) and\n`bars`. Last words.",
        f"{DRAW}go.Figure(go.Scattergl(x=np.arange(2000), y=np.arange(2000) % 7, mode='markers'), {{'height': 480}})",
        "import pandas as pd\npd.DataFrame({'word': ['long' * 40], **{f'column {i}': [i] for i in range(30)}})",
        "print('wide ' * 100)\ngo.Figure(go.Bar(y=[1, 2]), {'height': 300, 'title': 'A title that is longer ' * 9})",
    ],
    "10 formulas": [FORMULAS, "from IPython.display import Math\nMath(r'\\tau > 0')"],
    "20_fails": [
        "# It fails\n\nThis notebook never gets far.",
        f"{DRAW}go.Figure(go.Bar(y=[1]))",
        "raise ValueError('no <b>luck</b>')",
        "print('never')",
    ],
    "30_tagged": [
        "# The last one\n\nA sentence. Another.",
        f"{DRAW}go.Figure(go.Scatter(y=np.arange(500)), {{'height': 500}})",
        "go.Figure(go.Heatmap(z=[[1, 2], [3, 4]]), {'height': 320, 'title': 'Chosen &lt; others<br>by its tag'})",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The gallery of the notebooks above, made by the command, and what the command said."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "notebooks").mkdir()
    for name, (text, *sources) in NOTEBOOKS.items():
        cells = [new_markdown_cell(text), *map(new_code_cell, sources)]
        if name == "30_tagged":
            cells[-1].metadata["tags"] = ["thumbnail"]
        nbformat.write(new_notebook(cells=cells), root / "notebooks" / f"{name}.ipynb")
    command = [sys.executable, "-m", "workbench", "notebooks", "--gallery", "site"]
    return root / "site", subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.fixture(scope="module")
def started() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def cards(folder: Path) -> list[str]:
    return re.findall(r"<article.*?</article>", (folder / "index.html").read_text(), re.DOTALL)


def height_of(picture: Path) -> int:
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG") and int.from_bytes(data[16:20]) == gallery.WIDTH
    return int.from_bytes(data[20:24])


def test_the_command_tells_what_it_wrote_and_that_one_failed(site: tuple) -> None:
    folder, done = site
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    assert done.returncode == 1 and f"site/index.html: 4 notebooks, {megabytes:.1f} MB" in done.stdout
    assert "20_fails: failed in cell 3: ValueError: no <b>luck</b>; executed so far: " in done.stderr
    assert not list((folder.parent / "build" / "notebooks").glob("*.html"))  # the pages stand in the gallery


def test_a_file_is_no_place_for_a_gallery(
    site: tuple, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(site[0].parent)
    assert cli.main(["notebooks", "--gallery", "site/index.html"]) == 2
    assert capsys.readouterr().err == "workbench: --gallery 'site/index.html' is a file; name a folder\n"


def test_a_card_says_what_the_notebook_shows(site: tuple) -> None:
    first, second, third, last = cards(site[0])
    assert '<a href="00_figures.html">Two figures &amp; a table</a>' in first
    assert "<p>This notebook shows dots and <code>bars</code>.</p>" in first and "https" not in first
    assert '<a href="10%20formulas.html">Formulas</a>' in second
    assert "No picture: this notebook shows no figure." in second and "<img" not in second and "<mfrac>" in second
    assert "<h2>It fails</h2>" in third and "href" not in third
    assert "It failed in cell 3: ValueError: no &lt;b&gt;luck&lt;/b&gt;. There is no page." in third
    assert "<p>A sentence.</p>" in last


@needs_chromium
def test_a_picture_is_of_the_tagged_figure_else_of_the_one_with_most_data(site: tuple) -> None:
    folder, _ = site
    assert height_of(folder / "00_figures.png") == 480 and height_of(folder / "30_tagged.png") == 320
    assert 'alt="Chosen &lt; others"' in cards(folder)[3] and '<img src="20_fails.png"' in cards(folder)[2]
    assert not (folder / "10 formulas.png").exists()


def test_plotly_stands_there_once_and_nothing_comes_from_elsewhere(site: tuple) -> None:
    folder, _ = site
    assert (folder / "plotly.min.js").read_text(encoding="utf-8") == get_plotlyjs()
    pages = sorted(folder.glob("*.html"))
    assert [page.stem for page in pages] == ["00_figures", "10 formulas", "30_tagged", "index"]
    for page in pages:
        assert page.stat().st_size < 100_000 and f"{gallery.WIDTH}px" in page.read_text()
        addresses = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']([^\"']*)", page.read_text())
        assert not [address for address in addresses if "//" in address or not (folder / address).exists()]
        assert "@import" not in page.read_text() and "url(" not in page.read_text()


def test_neighbours_are_linked_past_the_one_that_failed(site: tuple) -> None:
    folder, _ = site
    links = [re.findall(r'<a href="([^"]+)" rel="(\w+)"', page.read_text()) for page in sorted(folder.glob("*_*.html"))]
    assert links[0] == 2 * [("10%20formulas.html", "next")]  # above and below
    assert links[1] == 2 * [("10%20formulas.html", "prev")]
    middle = (folder / "10 formulas.html").read_text()
    assert middle.count('href="00_figures.html" rel="prev"') == middle.count('href="30_tagged.html" rel="next"') == 2


def test_formulas_are_mathml_and_a_wrong_one_is_told(site: tuple) -> None:
    page = (site[0] / "10 formulas.html").read_text()
    body = page[page.index("<main>") :]
    assert body.count("<math") == 4 and "<mfrac>" in body and body.count('display="block"') == 2
    assert "a_b_c (this formula can't be read: DoubleSubscriptsError)" in body
    assert body.count("\\") == 1  # in the code that made one
    assert "<code>$5</code>" in body


def test_a_page_may_stand_alone() -> None:
    figure = {"data": [{"type": "bar", "y": [1, 2]}], "layout": {}}
    cell = new_code_cell("1", outputs=[new_output("display_data", {FIGURE: figure})])
    page = as_page(new_notebook(cells=[cell]), "a < b")
    assert "<title>a &lt; b</title>" in page and "<nav>" not in page and "<script src" not in page
    drawn = page.count("Plotly.newPlot(") - get_plotlyjs().count("Plotly.newPlot(")
    assert page.count(get_plotlyjs()[:500]) == 1 and drawn == 1


@pytest.fixture
def outcome(site: tuple) -> Outcome:
    """A notebook of the gallery above with a figure."""
    return Outcome("30_tagged", site[0].parent / "build" / "notebooks" / "30_tagged.ipynb", None, 1.0)


def test_without_a_browser_the_cards_say_so(
    outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    gallery.build([outcome], tmp_path)
    reason = "no Chrome or Chromium was found to draw it with"
    assert capsys.readouterr().err == f"workbench: a card of the gallery has no picture: {reason}\n"
    assert f"No picture: {reason}." in cards(tmp_path)[0] and "<img" not in cards(tmp_path)[0]
    assert (tmp_path / "30_tagged.html").exists()


def test_a_picture_that_can_t_be_drawn_is_told(
    outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kaleido, "write_fig_from_object_sync", lambda *_, **__: (TimeoutError(),))
    gallery.build([outcome], tmp_path)
    assert "no picture: drawing it failed: TimeoutError()\n" in capsys.readouterr().err
    assert "No picture: drawing it failed: TimeoutError()." in cards(tmp_path)[0]


def test_a_page_of_an_earlier_gallery_is_gone_when_its_notebook_fails(
    outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaleido, "write_fig_from_object_sync", lambda *_, **__: ())
    (tmp_path / "30_tagged.html").write_text("earlier")
    (tmp_path / "30_tagged.png").write_text("earlier")
    gallery.build([replace(outcome, error="DeadKernelError: it died")], tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["index.html", "plotly.min.js"]
    assert "It failed outside its cells: DeadKernelError: it died." in cards(tmp_path)[0]


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(("page", "figures"), [("index", 0), ("00_figures", 2), ("10 formulas", 0), ("30_tagged", 2)])
def test_pages_show_everything_at_any_width(site: tuple, started: Any, page: str, figures: int, width: int) -> None:
    assert faults(started, site[0] / f"{page}.html", [width], figures) == []


@needs_chromium
def test_a_reader_goes_through_the_gallery_in_a_dark_browser(site: tuple, started: Any) -> None:
    page = started.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page.goto((site[0] / "index.html").as_uri())
    darkness = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every(part => part < 60)"
    assert page.evaluate(darkness)
    page.locator(".card").first.click()
    page.wait_for_url("**/00_figures.html")
    assert page.title() == "Two figures & a table" and page.evaluate(darkness)
    page.locator("[rel=next]").last.click()
    page.wait_for_url("**/10%20formulas.html")
    assert page.title() == "Formulas"
    page.get_by_text("All notebooks").first.click()
    page.wait_for_url("**/index.html")
    page.emulate_media(color_scheme="light")
    assert not page.evaluate(darkness)
    page.close()


@needs_chromium
def test_a_figure_answers_at_the_size_of_a_phone(site: tuple, started: Any) -> None:
    page = started.new_page(viewport={"width": 390, "height": 800})
    page.goto((site[0] / "00_figures.html").as_uri())
    figure = page.locator(".js-plotly-plot").last
    figure.scroll_into_view_if_needed()
    bar = figure.locator(".points path").last.bounding_box()
    assert bar and bar["x"] + bar["width"] < 390
    page.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + 10)
    assert "2" in figure.locator(".hovertext").text_content()
    page.close()


@needs_chromium
@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("<img src='http://nowhere.invalid/a.png'>", "http://nowhere.invalid/a.png"),
        ("<img src='missing.png'>", "no answer from file:"),
        ("<script>console.error('broken')</script>", "broken"),
        ("<script>undefined.nothing</script>", "Cannot read properties"),
        ("<div style='width: 700px'>wide</div>", "the page is 7"),
        ("<div class='js-plotly-plot' style='width: 358px'></div>", "figure 0 is empty"),
        ("<div class='js-plotly-plot'><canvas></canvas></div>", "figure 0 is empty"),
        ("<div class='js-plotly-plot' style='width: 100px'></div>", "figure 0 is 100 wide"),
        ("", "0 of 1 figures"),
    ],
)
def test_what_is_wrong_with_a_page_is_found(tmp_path: Path, started: Any, content: str, told: str) -> None:
    figures = int("figure" in told)
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><main>{content}</main>")
    found = faults(started, tmp_path / "page.html", [390], figures, patience=1)
    assert any(told in one for one in found), found
