"""Every link of the documents, the notebooks and the start page leads to a file and a place that are there."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from workbench.pages import start
from workbench.pages.links import Site, relinked
from workbench.pages.notebooks import names

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data" / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
NOTEBOOKS = sorted(ROOT.glob("notebooks/**/[!.]*.ipynb"))
HOSTS = (
    r"https://(arxiv\.org/abs/\d{4}\.\d{4,5}|doi\.org/10\.\d{4,}/\S+|pytorch\.org/\S+|github\.com/[\w.-]+/[\w.-]+\S*)$"
)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def text_of(file: Path) -> str:
    if file.suffix != ".ipynb":
        return file.read_text(encoding="utf-8")
    cells = nbformat.read(file, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def links_of(text: str) -> Iterator[str]:
    """The addresses of links and pictures in Markdown, and of links in HTML."""
    plain = CODE.sub(lambda code: "`" * (len(code[0]) > 0), text)
    yield from re.findall(r"\]\(<?([^)\s>]+)", plain)
    yield from map(html.unescape, re.findall(r'<a\b[^>]*?\bhref="([^"]+)"', plain))


def places_of(text: str) -> set[str]:
    """What a link may name behind # in Markdown: its headings, as GitHub and as JupyterLab call them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"[*`]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in plain} | {
        one.replace(" ", "-") for one in plain
    }


def broken(text: str, folder: Path) -> list[str]:
    """The links of a text in a folder that lead nowhere, or to a host that none should."""
    wrong = []
    for link in links_of(text):
        if re.match(r"\w+:", link):
            wrong += [] if re.match(HOSTS, link) else [link]
            continue
        path, _, place = link.partition("#")
        target = folder / unquote(path) if path else None
        gone = target is not None and not target.exists()
        if gone or (place and place not in places_of(text_of(target) if target else text)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("file", [*PAGES, *NOTEBOOKS], ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    assert not broken(text_of(file), file.parent)


def test_links_of_the_start_page_lead_somewhere() -> None:
    markup = start.contents().markup
    assert len([*links_of(markup)]) > 50 and not broken(markup, ROOT / "notebooks")


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_each_notebook_leads_to_the_words_or_to_the_start_and_has_an_exercise(file: Path) -> None:
    text = text_of(file)
    assert "../docs/glossary.md" in text and re.search(r"\*\*(Exercise\.|Try:)\*\*", text)


def test_readme_leads_to_the_start_page_and_the_words() -> None:
    assert {"notebooks/00_start.ipynb", "docs/glossary.md"} <= set(links_of(text_of(ROOT / "README.md")))


@pytest.mark.parametrize(
    "text",
    [
        "[gone](none.md)",
        "[gone](docs/glossary.md#no-such-place)",
        '<a href="none.ipynb">x</a>',
        "[away](https://example.org/x)",
        "![picture](none.png)",
        "[paper](https://arxiv.org/abs/12)",
    ],
)
def test_a_broken_link_is_found(text: str) -> None:
    assert broken(text, ROOT)
    assert not broken("[words](docs/glossary.md#scores) and `[code](none)`", ROOT)


def test_a_site_leads_to_its_own_pages_and_drops_the_others() -> None:
    site = Site({"00_start.ipynb", "hetero/30_typed.ipynb"})
    markup = (
        '<a href="00_start.ipynb#Words">a</a> <a href="none.ipynb">b</a> <a href="../docs/results/x.md">c</a> '
        '<a href="https://arxiv.org/abs/1234.56789">d</a> <a href="#here">e</a> <a href="../README.md">f</a>'
    )
    led = relinked(markup, site.from_notebook("10_grace.ipynb"))
    assert led == (
        '<a href="00_start.html#Words">a</a> b <a href="docs/results/x.html">c</a> '
        '<a href="https://arxiv.org/abs/1234.56789">d</a> <a href="#here">e</a> f'
    )
    assert list(site.asked) == ["results/x.md"]
    lead = site.from_notebook("hetero/30_typed.ipynb")
    assert lead("../00_start.ipynb") == "00_start.html" and lead("../../docs/rules.md") == "docs/rules.html"
    assert (
        lead("00_start.ipynb") is None
        and site.from_notebook("00_start.ipynb")("hetero/30_typed.ipynb") == "30_typed.html"
    )
    back = relinked(
        '<a href="../../notebooks/00_start.ipynb">a</a> <a href="../rules.md">b</a>', site.from_document("results/x.md")
    )
    assert back == '<a href="../../00_start.html">a</a> <a href="../rules.html">b</a>'
    assert {"00_start", "00_tour"} <= set(names())
