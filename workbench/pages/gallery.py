"""Pages that show offline: one for each executed notebook, and a gallery that leads to them."""

import html
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kaleido
import nbformat
from kaleido.errors import ChromeNotFoundError
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from workbench.pages.notebooks import FIGURE, Outcome

WIDTH = 720  # pixels that a figure is laid out for at least; where there are fewer, it is shown smaller
HEIGHT = 450  # of a figure that doesn't say how high it is


@dataclass(frozen=True)
class Card:
    """What the gallery's index shows of one notebook.

    Attributes:
        outcome: what became of it. notebook: as far as it was executed.
        title: its heading, without markup. says: one sentence on what it shows, as HTML.
        figure: the one whose picture stands on the card, in plotly's form; empty where there is none.
    """

    outcome: Outcome
    notebook: NotebookNode
    title: str
    says: str
    figure: dict[str, Any]

    @property
    def page(self) -> str:
        """The file of its page."""
        return f"{self.outcome.notebook}.html"

    @property
    def picture(self) -> str:
        """The file of its picture."""
        return f"{self.outcome.notebook}.png"

    @property
    def alternative(self) -> str:
        """What is read to those who don't see the picture."""
        title = self.figure["layout"].get("title", {}).get("text") or "a figure of this notebook"
        return html.unescape(title.split("<br>")[0])


def page(notebook: NotebookNode, name: str, links: Mapping[str, Card | None] | None = None) -> str:
    """Write an executed notebook as a page whose figures and formulas show offline.

    Args:
        notebook: executed, with its figures in plotly's own form.
        name: stands for its title where it has none.
        links: the cards of the "previous" and the "next" notebook in a gallery, beside whose plotly.min.js the page
            will lie; None for a page that stands alone and holds plotly.js itself.

    Returns:
        HTML that asks for nothing from elsewhere.
    """
    shown = nbformat.from_dict(notebook)
    for cell in shown.cells:
        if cell.cell_type == "markdown":
            cell.source = _rendered(cell.source, cell.get("attachments"))
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = data.get("text/markdown") or data.get("text/latex")
            if FIGURE in data:
                output.data = {"text/html": _element(data[FIGURE])}
            elif text and "text/html" not in data:
                output.data = {"text/html": _rendered(text)}
    alone = "" if links is not None else get_plotlyjs()
    resources = {"title": _told(notebook, name)[0], "links": links, "plotlyjs": alone, "quote": quote}
    written: str = _exporter().from_notebook_node(shown, resources)[0]
    return written


def build(outcomes: Sequence[Outcome], folder: str | Path) -> Path:
    """Write a page for each notebook, and an index with a card for each, those that failed included.

    Args:
        outcomes: what became of the notebooks, in reading order.
        folder: made where missing; what an earlier gallery left there of these notebooks is replaced.

    Returns:
        The index.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    cards = []
    for outcome in outcomes:
        executed = nbformat.read(outcome.path, as_version=4)
        cards.append(Card(outcome, executed, *_told(executed, outcome.notebook), _richest(executed)))
        for stale in (cards[-1].page, cards[-1].picture):
            (folder / stale).unlink(missing_ok=True)
    (folder / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    linked = [card for card in cards if card.outcome.ok]
    for card, previous, following in zip(linked, [None, *linked], [*linked[1:], None], strict=False):
        text = page(card.notebook, card.outcome.notebook, {"previous": previous, "next": following})
        (folder / card.page).write_text(text, encoding="utf-8")
    reason = _draw([card for card in cards if card.figure], folder)
    drawn = [card.picture for card in cards if (folder / card.picture).exists()]
    index = folder / "index.html"
    template = _exporter().environment.get_template("gallery.html.j2")
    index.write_text(template.render(cards=cards, drawn=drawn, reason=reason, quote=quote), encoding="utf-8")
    return index


def _exporter() -> HTMLExporter:
    templates = str(Path(__file__).with_name("templates"))
    return HTMLExporter(
        template_file="notebook.html.j2",
        extra_template_paths=[templates],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )


class _Renderer(IPythonRenderer):
    """Markdown whose formulas become MathML, which browsers show without any script."""

    def block_math(self, body: str) -> str:
        return _formula(body, "block")

    def inline_math(self, body: str) -> str:
        return _formula(body, "inline")

    def latex_environment(self, name: str, body: str) -> str:
        return _formula(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")


def _formula(latex: str, display: str) -> str:
    try:
        return convert(latex.strip(), display=display)
    except Exception as error:  # the converter's errors have no other class in common
        told = f"{latex.strip()} (this formula can't be read: {type(error).__name__})"
        return f'<code class="failed">{html.escape(told)}</code>'


def _rendered(markdown: str, attachments: Any = None) -> str:
    renderer = _Renderer(escape=False, exclude_anchor_links=True, attachments=attachments)
    return MarkdownWithMath(renderer=renderer).render(markdown)


def _element(figure: dict[str, Any]) -> str:
    drawn = to_html(
        figure,
        config={"responsive": True, "displaylogo": False},
        include_plotlyjs=False,
        full_html=False,
        default_height=HEIGHT,
        validate=False,
    )
    return f'<div class="figure" style="--height: {_height(figure)}px">{drawn}</div>'


def _height(figure: dict[str, Any]) -> int:
    return int(figure["layout"].get("height") or HEIGHT)


def _told(notebook: NotebookNode, name: str) -> tuple[str, str]:
    """Return the title of a notebook, and as HTML the sentence on what it shows, else its first sentence."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    opening = next((text for text in texts if text.startswith("# ")), f"# {name}")
    unlinked = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", opening)  # the whole card is a link already
    title, _, text = unlinked.removeprefix("# ").partition("\n")
    sentences = re.split(r"(?<=[.?!])\s+", " ".join(text.partition("\n#")[0].split()))
    says = next((sentence for sentence in sentences if sentence.startswith("This notebook")), sentences[0])
    return re.sub("[*`$]", "", title).strip(), _rendered(says)


def _richest(notebook: NotebookNode) -> dict[str, Any]:
    """Return the figure with the most data among those of the cells tagged "thumbnail", else among all."""
    outputs = [(cell, output) for cell in notebook.cells for output in cell.get("outputs", [])]
    figures = [(cell, output.data[FIGURE]) for cell, output in outputs if FIGURE in output.get("data", {})]
    tagged = [figure for cell, figure in figures if "thumbnail" in cell.metadata.get("tags", [])]
    return max(tagged or [figure for _, figure in figures], key=lambda figure: len(json.dumps(figure)), default={})


def _draw(cards: Sequence[Card], folder: Path) -> str:
    """Draw the pictures of cards that have a figure; return why one is missing, and tell it, or ""."""
    wanted = []
    for card in cards:
        size = {"width": WIDTH, "height": _height(card.figure)}
        wanted.append({"fig": card.figure, "path": folder / card.picture, "opts": {"format": "png", **size}})
    try:
        failures = kaleido.write_fig_from_object_sync(wanted, kopts={"mathjax": False}) if wanted else ()
    except RuntimeError as error:  # it did not come to drawing
        failures = (error,)
    if not failures:
        return ""
    none = isinstance(failures[0], ChromeNotFoundError)
    reason = "no Chrome or Chromium was found to draw it with" if none else f"drawing it failed: {failures[0]!r}"
    print(f"workbench: a card of the gallery has no picture: {reason}", file=sys.stderr)
    return reason
