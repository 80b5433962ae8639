"""A gallery of notebooks: a page for each, and an index that leads to them."""

import html
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kaleido
import nbformat
from kaleido.errors import ChromeNotFoundError
from nbformat import NotebookNode
from plotly.offline import get_plotlyjs

from workbench.pages import notebooks
from workbench.pages.html import FIGURE, as_document, as_page, exporter, heading, height_of, rendered
from workbench.pages.links import Site, relinked
from workbench.pages.notebooks import Outcome, tagged

WIDTH = 720  # pixels that a figure is laid out for at least; where there are fewer, it is shown smaller


@dataclass(frozen=True)
class Card:
    """What the gallery's index shows of one notebook."""

    outcome: Outcome
    notebook: NotebookNode  # as far as it was executed
    title: str  # its heading, without markup
    says: str  # one sentence on what it shows, as HTML
    figure: dict[str, Any]  # the one whose picture stands on the card, in plotly's form; empty where there is none

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


def build(outcomes: Sequence[Outcome], folder: str | Path) -> Path:
    """Write a page for each notebook, in reading order, and return an index with a card for each, also a failed one.

    The folder is made where missing; what an earlier gallery left there of these notebooks is replaced.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    cards = []
    for outcome in outcomes:
        executed = nbformat.read(outcome.path, as_version=4)
        cards.append(Card(outcome, executed, *heading(executed, outcome.notebook), _richest(executed)))
        for stale in (cards[-1].page, cards[-1].picture):
            (folder / stale).unlink(missing_ok=True)
    (folder / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    linked = [card for card in cards if card.outcome.ok]
    known = notebooks.files()
    places = [known.get(card.outcome.notebook, f"{card.outcome.notebook}.ipynb") for card in linked]
    site = Site(set(places))
    for card, place, previous, following in zip(linked, places, [None, *linked], [*linked[1:], None], strict=False):
        ways = {"previous": previous, "next": following}
        text = as_page(card.notebook, card.outcome.notebook, ways, site.from_notebook(place))
        (folder / card.page).write_text(text, encoding="utf-8")
    _documents(site, folder)
    reason = _draw([card for card in cards if card.figure], folder)
    drawn = [card.picture for card in cards if (folder / card.picture).exists()]
    index = folder / "index.html"
    template = exporter().environment.get_template("gallery.html.j2")
    index.write_text(template.render(cards=cards, drawn=drawn, reason=reason, quote=quote), encoding="utf-8")
    return index


def _documents(site: Site, folder: Path) -> None:
    """Write a page for each document that is linked to, from a page or from another document."""
    source, written = notebooks.folder().resolve().parent / "docs", set[str]()
    while waiting := [document for document in site.asked if document not in written]:
        for document in waiting:
            written.add(document)
            page = folder / "docs" / Path(document).with_suffix(".html")
            page.parent.mkdir(parents=True, exist_ok=True)
            text = (source / document).read_text(encoding="utf-8")
            body = relinked(rendered(text), site.from_document(document))
            home = "../" * (document.count("/") + 1) + "index.html"
            page.write_text(as_document(text, body, home), encoding="utf-8")


def _richest(notebook: NotebookNode) -> dict[str, Any]:
    """Return the figure with the most data among those of the cells tagged "thumbnail", else among all."""
    for cells in (tagged(notebook, "thumbnail"), notebook.cells):
        outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
        if figures := [data[FIGURE] for data in outputs if FIGURE in data]:
            return max(figures, key=lambda figure: len(json.dumps(figure)))
    return {}


def _draw(cards: Sequence[Card], folder: Path) -> str:
    """Draw the pictures of cards that have a figure; return why one is missing, and tell it, or ""."""
    wanted = []
    for card in cards:
        size = {"width": WIDTH, "height": height_of(card.figure)}
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
