"""An executed notebook as HTML that shows offline."""

import html
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from workbench.pages.links import relinked
from workbench.plots.style import CONFIG

FIGURE = "application/vnd.plotly.v1+json"
HEIGHT = 450  # pixels of a figure that doesn't say how high it is


def as_page(
    notebook: NotebookNode,
    name: str,
    links: Mapping[str, Any] | None = None,
    lead: Callable[[str], str | None] = lambda _: None,
) -> str:
    """Return an executed notebook as a page whose figures and formulas show offline; its name is a title if need be.

    Its links are the cards of the "previous" and the "next" notebook in a gallery, beside whose plotly.min.js the page
    will lie; without any the page stands alone and holds plotly.js itself. `lead` is as for `links.relinked`.
    """
    shown = nbformat.from_dict(notebook)
    for cell in shown.cells:
        if cell.cell_type == "markdown":
            cell.source = relinked(rendered(cell.source, cell.get("attachments")), lead)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = data.get("text/markdown") or data.get("text/latex")
            if FIGURE in data:
                output.data = {"text/html": _element(data[FIGURE])}
            elif text and "text/html" not in data:
                output.data = {"text/html": rendered(text)}
            elif "<a " in (data.get("text/html") or ""):
                data["text/html"] = relinked(data["text/html"], lead)
    alone = "" if links is not None else get_plotlyjs()
    resources = {"title": heading(notebook, name)[0], "links": links, "plotlyjs": alone, "quote": quote}
    written: str = exporter().from_notebook_node(shown, resources)[0]
    return written


def exporter() -> HTMLExporter:
    """Return what fills the templates of this package."""
    folder = {"template_file": "notebook.html.j2", "extra_template_paths": [str(Path(__file__).with_name("templates"))]}
    return HTMLExporter(exclude_input_prompt=True, exclude_output_prompt=True, **folder)


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
        failure = f"{latex.strip()} (this formula can't be read: {type(error).__name__})"
        return f'<code class="failed">{html.escape(failure)}</code>'


def as_document(markdown: str, body: str, home: str) -> str:
    """Return a page that shows a document, of which `body` is the HTML, and leads to a home page."""
    title = re.sub("[*`$]", "", markdown.partition("\n")[0].removeprefix("# "))
    template = exporter().environment.get_template("document.html.j2")
    return str(template.render(title=title, home=home, body=body))


def rendered(markdown: str, attachments: Any = None) -> str:
    """Return Markdown as HTML."""
    renderer = _Renderer(escape=False, exclude_anchor_links=True, attachments=attachments)
    return MarkdownWithMath(renderer=renderer).render(markdown)


def _element(figure: dict[str, Any]) -> str:
    size = {"default_height": HEIGHT}
    drawn = to_html(figure, CONFIG, include_plotlyjs=False, full_html=False, validate=False, **size)
    return f'<div class="figure" style="--height: {height_of(figure)}px">{drawn}</div>'


def height_of(figure: dict[str, Any]) -> int:
    """Return how high a figure is shown, in pixels."""
    return int(figure["layout"].get("height") or HEIGHT)


def heading(notebook: NotebookNode, name: str) -> tuple[str, str]:
    """Return the title of a notebook, and as HTML the sentence on what it shows, else its first sentence."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    opening = next((text for text in texts if text.startswith("# ")), f"# {name}")
    unlinked = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", opening)  # the whole card is a link already
    title, _, text = unlinked.removeprefix("# ").partition("\n")
    sentences = re.split(r"(?<=[.?!])\s+", " ".join(text.partition("\n#")[0].split()))
    says = next((sentence for sentence in sentences if sentence.startswith("This notebook")), sentences[0])
    return re.sub("[*`$]", "", title).strip(), rendered(says)
