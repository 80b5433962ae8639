"""JupyterLab in a real browser, for the tests that look at what a person sees."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from workbench import widgets

PATIENCE = 180_000  # milliseconds that one thing may take in the browser
ATTEMPTS = 3  # of opening a notebook
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the path"
)
S = TypeVar("S", bound="Screen")


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=5) as answer:
        return json.load(answer)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def lab(tmp_path: Path, source: str) -> Iterator[tuple[str, str]]:
    """JupyterLab on a free port with a notebook of one cell; its address and token."""
    home = {name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    home |= {f"JUPYTERLAB_{name}_DIR": str(tmp_path / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    settings = tmp_path / "application"
    settings.mkdir()
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "overrides.json").write_text(json.dumps(quiet))
    root = tmp_path / "root"
    root.mkdir()
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=[new_code_cell(source)], metadata={"kernelspec": kernel}), root / "look.ipynb")
    port, token = free_port(), secrets.token_hex(16)
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}",
        f"--LabApp.app_settings_dir={settings}", "--LabApp.extension_manager=readonly", "--expose-app-in-browser",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    paths = os.pathsep.join(filter(None, [str(Path(widgets.__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **home, "PYTHONPATH": paths, "WORKBENCH_HEADLESS": "0"}
    log = (tmp_path / "server.log").open("w")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(600):
            try:
                get(f"{address}/api/status?token={token}")
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
                time.sleep(0.3)
        yield address, token
    finally:
        try:
            for running in get(f"{address}/api/kernels?token={token}"):
                ask = f"{address}/api/kernels/{running['id']}?token={token}"
                urllib.request.urlopen(urllib.request.Request(ask, method="DELETE"), timeout=10)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
            log.close()


class Asked:
    """What a page, and each that it opens, asks of others than this machine; nothing is to leave it."""

    def __init__(self, page: Any):
        self.elsewhere = list[str]()
        page.on("websocket", lambda asked: self._note(asked.url))
        page.context.on("request", lambda asked: self._note(asked.url))
        page.context.on("requestfailed", self._kept)

    def _note(self, url: str) -> None:
        if not re.match(r"(data|blob|file|about):|(http|ws)://(127\.0\.0\.1|localhost)[:/]", url):
            self.elsewhere.append(url)

    def _kept(self, asked: Any) -> None:
        """Take back what the page's own policy kept from being asked."""
        if asked.failure == "csp" and asked.url in self.elsewhere:
            self.elsewhere.remove(asked.url)


class Screen:
    """The page of the notebook, and what is to be seen on it."""

    FIGURE = "[...document.querySelectorAll('.js-plotly-plot')].find(e => e.layout && e.layout.dragmode == 'pan')"

    @property
    def drawn(self) -> str:
        """What is true once the figure that is clicked has its points."""
        return f"{self.FIGURE}?.querySelector('.main-svg .points path')"

    def __init__(self, page: Any):
        self.page, self.errors, self.asked = page, list[str](), Asked(page)
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda told: self.errors.append(told.text) if told.type == "error" else None)

    def open(self, address: str, token: str) -> None:
        self.page.goto(f"{address}/lab/tree/look.ipynb?token={token}&reset")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        self.page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel")
        for _ in range(ATTEMPTS):
            self.errors.clear()
            self.run()
            with suppress(Exception):  # a crowded machine may lose the kernel's connection, and what was sent by it
                self.page.wait_for_function(f"() => !!({self.drawn})", timeout=PATIENCE / ATTEMPTS)
                self.page.wait_for_timeout(5_000)
                # anywidget gives the code of a figure two seconds, which a crowded machine may exceed at first.
                if not any("Failed to initialize model" in told for told in self.errors):
                    return
        raise AssertionError(f"no figure is drawn after {ATTEMPTS} attempts: {self.errors}")

    @property
    def left(self) -> list[str]:
        """The errors that a person would be left with: a widget whose code was late is none once all figures stand.

        Nor is it one that ipywidgets tells a view, which was replaced, of a message that was under way: it reads a null
        of its own, and there is nothing to be seen of it.
        """
        late, gone = "[anywidget] Failed to initialize model.", "(reading 'processLuminoMessage')"
        if late in self.errors:
            figures = "[...document.querySelectorAll('.js-plotly-plot, .workbench-figure-says')]"
            self.until(f"{figures}.length && {figures}.every(e => e.querySelector('.main-svg'))")
        return [told for told in self.errors if told != late and gone not in told]

    def run(self) -> None:
        """Run the notebook, and take away first what it showed before."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")

    def python(self, code: str) -> str:
        """Run code in the kernel of the notebook and return what it prints."""
        return self.page.evaluate(
            """async code => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const asked = kernel.requestExecute({code});
                let told = "";
                asked.onIOPub = message => { told += message.content.text ?? message.content.evalue ?? ""; };
                await asked.done;
                return told.trim();
            }""",
            code,
        )

    def found(self, function: str, argument: Any = None) -> Any:
        """Wait until a function has something to return on the page; a figure made anew is away for a moment."""
        patient = f"""argument => {{
            try {{
                return ({function})(argument);
            }} catch (error) {{
                if (error instanceof TypeError) return false;
                throw error;
            }}
        }}"""
        return self.page.wait_for_function(patient, arg=argument).json_value()

    def until(self, condition: str) -> None:
        self.found(f"() => !!({condition})")

    def click(self, node: int, name: str = "nodes") -> None:
        """Click a node of the figure, in its trace of some name."""
        where = self.over(
            f"""() => {{
                const e = {self.FIGURE}, t = e._fullData.find(t => t.name == {json.dumps(name)});
                e.scrollIntoView({{block: 'center'}});
                const i = [...t.customdata].indexOf({node}), box = e.getBoundingClientRect();
                const x = e._fullLayout[t.xaxis.replace('x', 'xaxis')];
                const y = e._fullLayout[t.yaxis.replace('y', 'yaxis')];
                return [box.left + x._offset + x.l2p(t.x[i]), box.top + y._offset + y.l2p(t.y[i])];
            }}"""
        )
        self.page.wait_for_timeout(300)
        self.page.mouse.click(*where)

    def over(self, place: str) -> list[float]:
        """Move the mouse to a place, given by a function, until the figure knows of a node there; return the place."""
        for _ in range(PATIENCE // 3_000):  # a busy page may miss a movement, and then never hears of it again
            where = self.found(place)
            self.page.mouse.move(where[0] - 3, where[1])
            self.page.mouse.move(*where)
            with suppress(Exception):
                self.page.wait_for_function(f"() => ({self.FIGURE})?._hoverdata?.length", timeout=3_000)
                return where
        raise AssertionError(f"the figure tells of no node at {where}")


@contextmanager
def chromium() -> Iterator[Any]:
    """The Chromium that is there, without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    flags = ["no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
    flags += ["disable-component-update", "disable-sync"]
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{flag}" for flag in flags])
        try:
            yield started
        finally:
            started.close()


@contextmanager
def browser(address: str, token: str, folder: Path, kind: type[S]) -> Iterator[S]:
    """The notebook in a browser, its cell run and its figure drawn; a picture is left in a folder where it fails."""
    with chromium() as started:
        made = kind(started.new_page(viewport={"width": 1440, "height": 1500}))
        try:
            made.open(address, token)
            yield made
            assert made.asked.elsewhere == []
        except BaseException:
            made.page.screenshot(path=folder / "failed.png")
            raise
        finally:
            print("told by the browser:", made.errors)


FAULTS = """(expected) => {
    const ink = (canvas) => {
        const copy = document.createElement("canvas").getContext("2d");
        [copy.canvas.width, copy.canvas.height] = [canvas.width, canvas.height];
        copy.drawImage(canvas, 0, 0);
        return copy.getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean);
    };
    const large = (mark) => mark.getBoundingClientRect().width + mark.getBoundingClientRect().height > 0;
    const found = [], page = document.documentElement, figures = [...document.querySelectorAll(".js-plotly-plot")];
    if (figures.length != expected) found.push(`${figures.length} of ${expected} figures`);
    figures.forEach((figure, place) => {
        const box = figure.getBoundingClientRect(), room = figure.closest("main").clientWidth - 40;
        const marks = [...figure.querySelectorAll(".mlayer :is(path, image)")];
        const drawn = marks.some(large) || [...figure.querySelectorAll("canvas")].some(ink);
        if (!drawn) found.push(`figure ${place} is empty`);
        if (box.width < room || box.right > page.clientWidth) found.push(`figure ${place} is ${box.width} wide`);
    });
    if (page.scrollWidth > page.clientWidth) found.push(`the page is ${page.scrollWidth} wide`);
    return found;
}"""


def faults(started: Any, file: Path, widths: Sequence[int], figures: int = 0, patience: float = 20_000) -> list[str]:
    """What is wrong with a page that is opened from its file, in a window of each width: nothing, if all is well."""
    page, told = started.new_page(viewport={"width": widths[0], "height": 900}), list[str]()
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("console", lambda said: told.append(said.text) if said.type == "error" else None)
    page.on("requestfailed", lambda asked: told.append(f"no answer from {asked.url}"))
    page.on(
        "request", lambda asked: None if asked.url.startswith(("file:", "data:", "blob:")) else told.append(asked.url)
    )
    page.goto(file.resolve().as_uri())
    found = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        with suppress(Exception):  # a crowded machine takes a while; what is still wrong then is told
            page.wait_for_function(f"(expected) => !({FAULTS})(expected).length", arg=figures, timeout=patience)
        found += [f"{file.name}, {width} pixels: {one}" for one in (*told, *page.evaluate(FAULTS, figures))]
        told.clear()
    page.close()
    return found
