"""The notebooks as an app: Voila serves them all, and its first page is the start page."""

import re
from inspect import isawaitable
from pathlib import Path
from typing import Any

from tornado.web import ErrorHandler, HTTPError, RedirectHandler, authenticated
from traitlets import default
from voila.app import Voila
from voila.handler import BaseVoilaHandler
from voila.tornado.handler import TornadoVoilaHandler

from workbench.pages import notebooks, start
from workbench.pages.html import as_document, rendered
from workbench.pages.links import relinked


class Document(BaseVoilaHandler):
    """A document of docs/, where the notebooks' links to it lead."""

    @authenticated
    def get(self, path: str) -> None:
        """Show it."""
        folder = notebooks.folder().resolve().parent / "docs"
        file = (folder / path).resolve()
        if file.suffix != ".md" or not file.is_relative_to(folder) or not file.is_file():
            raise HTTPError(404)
        text = file.read_text(encoding="utf-8")
        body = relinked(rendered(text), lambda other: re.sub("^((?:../)+)notebooks/", r"\1render/", other))
        home = "../" * (path.count("/") + 1) + f"render/{start.PAGE}.ipynb"
        self.finish(as_document(text, body, home))


class Page(TornadoVoilaHandler):
    """A notebook as a page, light or dark as the browser prefers unless the address or the command line says it."""

    # Only the browser knows, and a page is made for one theme: it is asked before a kernel is started.
    ASK = """<!doctype html><meta name="color-scheme" content="light dark"><title>…</title><script>
    const address = new URL(location.href);
    address.searchParams.set("theme", matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    location.replace(address);
    </script><noscript>The widgets of this page need JavaScript, which is switched off here.</noscript>"""

    @authenticated
    async def get(self, path: str | None = None) -> None:
        """Show it, or ask which theme it is to have; what is no notebook is refused without asking."""
        known = "theme" in self.traitlet_config.VoilaConfiguration or self.get_argument("theme", None)
        there = self.contents_manager.file_exists(path or "")
        there = await there if isawaitable(there) else there  # which of both it is is the server's choice
        if known or not there:
            await super().get(path)
        else:
            self.finish(self.ASK)


class App(Voila):
    """Voila on the folder of the notebooks; a visitor without a token is asked for it.

    A visitor's kernel takes the messages of widgets, not code: that is Voila's own list of what it lets through. Its
    template asks a content network for icons that Voila also brings itself, so pages are told to ask nobody else.
    """

    @default("tornado_settings")
    def _nothing_leaves(self) -> dict[str, Any]:
        policy = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'"
        # A page of elsewhere whose name was made to lead to this machine is not answered, as by JupyterLab.
        return {"headers": {"Content-Security-Policy": policy}, "allow_remote_access": False}

    def init_handlers(self) -> list[Any]:
        """Return who answers for which address."""
        home = {"url": f"{self.server_url}voila/render/{start.PAGE}.ipynb", "permanent": False}
        nameless = (".*%00.*", ErrorHandler, {"status_code": 404})  # no file has such a name; to ask is an error
        documents = (f"{self.server_url}voila/docs/(.+)", Document, {"voila_configuration": self.voila_configuration})
        theirs = [
            (address, Page if handler is TornadoVoilaHandler else handler, *more)
            for address, handler, *more in super().init_handlers()
        ]
        return [nameless, (self.server_url, RedirectHandler, home), documents, *theirs]


def serve(options: list[str], folder: Path | None = None) -> None:
    """Serve the notebooks on this machine, behind a token, until interrupted; `options` are Voila's."""
    App.launch_instance(
        [str(folder or notebooks.folder()), "--Voila.ip=127.0.0.1", "--Voila.auto_token=True", *options]
    )
