"""Links between notebooks and documents, led to where a site keeps what they name."""

import html
import posixpath
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

_LINK = re.compile(r'<a\b[^>]*?\bhref="([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)


def relinked(markup: str, lead: Callable[[str], str | None]) -> str:
    """Return HTML whose links to other files are led elsewhere; one that leads nowhere is only its text.

    `lead` is given the path that a link names, e.g. "../docs/rules.md", and returns the new one, or None. Links to
    places of the page itself and to other hosts stay.
    """

    def led(link: re.Match[str]) -> str:
        address = html.unescape(link[1])
        if not address or address.startswith("#") or re.match(r"\w+:|//", address):
            return link[0]
        path, mark, place = address.partition("#")
        new = lead(unquote(path))
        return link[2] if new is None else link[0].replace(link[1], html.escape(quote(new) + mark + place), 1)

    return _LINK.sub(led, markup)


class Site:
    """Which files a site holds of a checkout, and where: notebooks beside each other, documents below "docs".

    Attributes:
        notebooks: paths below notebooks of those that have a page, e.g. "hetero/30_typed_graphs.ipynb".
        asked: documents that were linked to, as paths below docs.
    """

    def __init__(self, notebooks: set[str]):
        self.notebooks, self.asked = notebooks, dict[str, None]()

    def from_notebook(self, notebook: str) -> Callable[[str], str | None]:
        """Return what leads the links of a notebook, given by its path below notebooks."""
        folder = posixpath.dirname(posixpath.join("notebooks", notebook))
        return lambda path: self._lead(posixpath.normpath(posixpath.join(folder, path)))

    def from_document(self, document: str) -> Callable[[str], str | None]:
        """Return what leads the links of a document, given by its path below docs."""
        folder = posixpath.dirname(posixpath.join("docs", document))

        def lead(path: str) -> str | None:
            target = self._lead(posixpath.normpath(posixpath.join(folder, path)))
            return target and posixpath.relpath(target, folder)

        return lead

    def _lead(self, path: str) -> str | None:
        """Return the place on the site of a file of the checkout."""
        stem, kind = posixpath.splitext(path)
        if path.startswith("notebooks/") and path.removeprefix("notebooks/") in self.notebooks:
            return f"{posixpath.basename(stem)}.html"
        if kind == ".md" and path.startswith("docs/"):
            self.asked[path.removeprefix("docs/")] = None
            return f"{stem}.html"
        return None
