"""What the workbench knows, as the tables of the start page: all read from the registries, nothing listed by hand."""

import html
import inspect
import os
import re
from functools import cache
from pathlib import Path

import pandas as pd
from nbformat import NotebookNode

from workbench import datasets, methods, studies, widgets
from workbench.datasets.files.registry import kind_of_row, usable
from workbench.errors import UserError
from workbench.methods import METHODS
from workbench.pages import notebooks as books
from workbench.pages.html import heading, rendered
from workbench.pages.tables import Shown, table

PAGE = "00_start"
PAPERS = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}  # a method's docstring names its paper so

_STYLE = """<style>
.wb-start details { border: 1px solid rgba(128, 128, 128, .45); border-radius: 8px; margin: 8px 0; padding: 0 14px; }
.wb-start summary { cursor: pointer; padding: 10px 0; line-height: 1.4; }
.wb-start summary:focus-visible { outline: 2px solid #239CDB; outline-offset: 2px; }
.wb-start summary b { font-size: 16px; margin-right: 8px; }
.wb-start summary span { opacity: .8; }
.wb-start details[open] { padding-bottom: 14px; }
</style>"""


def contents() -> Shown:
    """Return all that there is, a section each, which a click opens."""
    sections = {
        "Data": (f"{len(datasets.names())} named sets, and your own", data()),
        "Methods": (f"{len(methods.names())} ways to learn without labels", list_methods()),
        "Studies": (f"{len(studies.names())} questions, and what was measured", list_studies()),
        "Widgets": (f"{len(_widgets())} to click in", list_widgets()),
        "Gallery": (f"{len(books.names()) - 1} notebooks to read and run", gallery()),
        "Words": ("anchor, negative, probe and others explained", words()),
    }
    markup = "".join(
        f'<details name="start" id="{name}"><summary><b>{name}</b><span>{says}</span></summary>{shown.markup}</details>'
        for name, (says, shown) in sections.items()
    )
    text = "\n".join(f"{name}: {says}" for name, (says, _) in sections.items())
    return Shown(f'{_STYLE}<div class="wb-start">{markup}</div>', text)


def data() -> Shown:
    """Return the named data: what each is, its size, and whether it is here."""
    here, rows = usable(Path(os.environ.get("WORKBENCH_DATA") or "data")), []
    for name in sorted(datasets.names(), key=lambda name: (name not in here, name)):
        facts = datasets.facts(name)
        figures = {key: facts.get(key) for key in ("nodes", "edges", "classes")}
        said = "here" if name in here else "to be downloaded"
        rows.append({"name": name, "what": facts["title"], "kind": kind_of_row(facts), **figures, "files": said})
    frame = pd.DataFrame(rows).astype(dict.fromkeys(("nodes", "edges", "classes"), "Int64"))
    return table(frame, 'wb.load_graph("NAME") loads one; a path or a networkx graph of yours will do as well')


def list_methods() -> Shown:
    """Return the methods: what each does, on what kind of data, its paper, and the notebooks that train it."""
    rows = []
    for name in methods.names():
        words = inspect.cleandoc(_docstring(METHODS.file(name)))
        says = words.partition("\n\n")[0].partition(": ")[2] or words.partition("\n\n")[0]
        paper = re.search(r"\b(arXiv|doi) ([\w./]+\w)", " ".join(words.split()))
        link = f'<a href="{PAPERS[paper[1]]}{paper[2]}">{paper[0]}</a>' if paper else ""
        kinds = ", ".join(METHODS.get(name).kinds)
        says = says[:1].upper() + " ".join(says.split())[1:]
        rows.append(
            {"name": name, "what it does": says, "data": kinds, "paper": link, "shown in": _shown_in(f'"{name}"')}
        )
    caption = 'wb.fit("NAME", graph, preset="quick") trains one'
    return table(pd.DataFrame(rows), caption, markup=("paper", "shown in"))


def list_studies() -> Shown:
    """Return the studies: what each asks, and the notebooks that read its results."""
    rows = [
        {"name": name, "what it asks": studies.load(name).title, "read in": _shown_in(f'"{name}"')}
        for name in studies.names()
    ]
    return table(pd.DataFrame(rows), 'wb.studies.read("NAME") reads what was measured', markup=("read in",))


def list_widgets() -> Shown:
    """Return the widgets: what each is for, and the notebooks that open it."""
    rows = [
        {
            "name": name,
            "what it is for": _first_line(getattr(widgets, name)),
            "opened in": _shown_in(f"widgets.{name}("),
        }
        for name in _widgets()
    ]
    return table(pd.DataFrame(rows), "wb.widgets.NAME(...) opens one", markup=("opened in",))


def gallery() -> Shown:
    """Return the notebooks, each with a sentence on what it shows."""
    rows, text = [], []
    for name in books.names():
        if name == PAGE:
            continue
        title, says = heading(_read(name), name)
        rows.append({"notebook": f"{_link(name, html.escape(title))}", "what it shows": says})
        text.append(f"{name}: {title}")
    shown = table(pd.DataFrame(rows), markup=("notebook", "what it shows"))
    return Shown(shown.markup, "\n".join(text))


def words() -> Shown:
    """Return the glossary without its title, its links as from a notebook."""
    file = books.folder().resolve().parent / "docs" / "glossary.md"
    if not file.is_file():
        raise UserError(f"the glossary is not here: {file} is missing")
    body = file.read_text(encoding="utf-8").partition("\n")[2].strip()
    near = re.sub(r"\]\((?!\w+:)(?!#)(?!\.\./notebooks/)", "](../docs/", body).replace("](../notebooks/", "](")
    return Shown(rendered(near), body)


def _widgets() -> list[str]:
    return [name for name in widgets.__all__ if name.islower()]


def _docstring(file: Path) -> str:
    """Return what a module says of itself, without importing it."""
    found = re.match(r'"""(.*?)"""', file.read_text(encoding="utf-8"), re.DOTALL)
    return found[1] if found else ""


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _link(notebook: str, shown: str) -> str:
    return f'<a href="{books.files()[notebook]}">{shown}</a>'


def _shown_in(word: str) -> str:
    """Return links to the notebooks in whose code a word stands."""
    hits = [name for name in books.names() if name != PAGE and word in _code(name)]
    return ", ".join(_link(name, html.escape(name)) for name in hits)


def _code(name: str) -> str:
    return "\n".join(cell.source for cell in _read(name).cells if cell.cell_type == "code")


@cache
def _read(name: str) -> NotebookNode:
    return books.read(books.find(name))
