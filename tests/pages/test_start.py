"""The start page: what it lists, and the way from it to data, methods and an answer, in JupyterLab and in the app."""

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browser import PATIENCE, Asked, Screen, browser, chromium, free_port, lab, needs_chromium
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from tornado.websocket import websocket_connect

import workbench as wb
from workbench.pages import start
from workbench.pages.notebooks import files, find, names
from workbench.plots import style

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
SECTIONS = ("Data", "Methods", "Studies", "Widgets", "Gallery", "Words")
SLOW = """import plotly.graph_objects as go
import workbench as wb
from workbench.widgets import live
code = "await new Promise(done => setTimeout(done, 5000));" + str(go.FigureWidget._esm)
live._page.plotly = live.Plotly(code=code)
display(wb.widgets.rule_explorer(wb.load_graph("karate"), "lgtc", node=5), wb.widgets.leaderboard("cora"))"""
WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


def test_everything_that_is_registered_is_listed() -> None:
    markup = start.contents().markup
    for registered in (wb.graphs.names(), wb.methods.names(), wb.studies.names(), [*set(names()) - {start.PAGE}]):
        assert all(f">{name}<" in markup or f'"{name}.ipynb"' in markup for name in registered)
    assert ">training_panel<" in markup and ">TrainingPanel<" not in markup
    assert 'href="https://arxiv.org/abs/2006.04131"' in markup  # GRACE's, from its docstring


def folder_of(root: Path) -> Path:
    """A folder with the start page on a small graph, and a stub with the name of each other notebook."""
    root.mkdir(exist_ok=True)
    for name in names():
        cells = [new_markdown_cell(f"# Stub {name}"), new_code_cell("'run'")]
        file = root / files()[name]
        file.parent.mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=cells, metadata=KERNEL), file)
    page = nbformat.read(find(start.PAGE), as_version=4)
    page.cells[1].source = page.cells[1].source.replace('"pydocs"', '"karate"')
    nbformat.write(page, root / f"{start.PAGE}.ipynb")
    return root


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The app on such a folder; its address and token."""
    pytest.importorskip("voila", reason="the app's extra is not installed")
    folder = folder_of(tmp_path_factory.mktemp("app") / "notebooks")
    nbformat.write(new_notebook(cells=[new_code_cell(SLOW)], metadata=KERNEL), folder / "slow.ipynb")
    port, token = free_port(), secrets.token_hex(16)
    address = f"http://127.0.0.1:{port}"
    options = ["--no-browser", f"--port={port}", "--Voila.port_retries=0", f"--Voila.token={token}"]
    code = f"from pathlib import Path; from workbench.pages import app; app.serve({options!r}, Path({str(folder)!r}))"
    home = Path(start.__file__).parents[2]
    paths = os.pathsep.join(filter(None, [str(home), os.environ.get("PYTHONPATH")]))
    runs = str(folder.parent / "runs")
    environment = {**os.environ, "PYTHONPATH": paths, "WORKBENCH_HEADLESS": "0", "WORKBENCH_RUNS": runs}
    log = (folder.parent / "app.log").open("w")
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/voila/docs/glossary.md?token={token}", timeout=5)
                break
            except OSError:
                assert process.poll() is None, (folder.parent / "app.log").read_text()[-2000:]
                time.sleep(0.3)
        yield address, token
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def sections(page: Any) -> None:
    """Open each section by a click, and see that it shows something and that the page stays as wide as it is."""
    for name in SECTIONS:
        section = page.locator(f"details#{name}")
        section.locator("summary").click()
        section.locator(":is(td, li)").first.wait_for()
        assert section.locator("a").count() or name == "Data"
    assert page.locator("details[open]").count() == 1
    page.locator("details#Methods summary").click()
    names_shown = page.locator("details#Methods tbody td:first-child").all_text_contents()
    assert names_shown == wb.methods.names()


def follow(page: Any, link: Any, heading: str) -> Any:
    """Click a link and return the page with a heading to which it leads, the same or one of its own."""
    link.click()
    for _ in range(PATIENCE // 500):
        for shown in page.context.pages:
            if shown.get_by_role("heading", name=heading).count():
                return shown
        page.wait_for_timeout(500)
    raise AssertionError(f"no page has the heading {heading!r}")


def types_a_rule(page: Any) -> None:
    """Type into the rule explorer while the code of its figures is still on its way, and see them follow."""
    figure = "[...document.querySelectorAll('.js-plotly-plot')].find(e => e.layout?.dragmode == 'pan')"
    field = page.locator(".explorer-formula textarea")
    page.wait_for_function("() => document.querySelector('.explorer-formula textarea')?.value.endsWith('< 0.01')")
    assert page.locator(".explorer-formula output").inner_text() == "0.01"
    field.fill("degree(v) > 3")
    title = f"{figure}?.layout?.title?.text?.includes('degree(v) &gt; 3')"
    page.wait_for_function(f"() => {title} && {figure}.querySelector('.points path')")
    assert field.input_value() == "degree(v) > 3" and page.locator(".explorer-formula output").inner_text() == "3"
    field.fill("degree > 3")
    page.locator(".explorer-message").get_by_text("did you mean degree(v) > 3?").wait_for()
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function(f"() => {figure}._fullLayout.paper_bgcolor == '{style.ON_DARK[style.PAPER]}'")
    page.wait_for_function(f"() => {figure}._fullLayout.width <= innerWidth")
    board = "[...document.querySelectorAll('.js-plotly-plot')].find(e => e.layout?.title?.text?.startsWith('cora'))"
    page.wait_for_function(f"() => {board}?.querySelector('.points path')")
    assert not page.evaluate(WIDE)


@needs_chromium
def test_the_app_leads_from_the_start_page_to_a_negative(app: tuple[str, str], tmp_path: Path) -> None:
    address, token = app
    for part in ("", "voila/docs/glossary.md", f"voila/render/{start.PAGE}.ipynb"):  # nothing to see without the token
        assert "/login" in urllib.request.urlopen(f"{address}/{part}", timeout=5).geturl()
    with chromium() as started:
        page = started.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE)
        asked = Asked(page)
        try:
            page.goto(f"{address}/?token={token}")
            page.wait_for_selector(".wb-start")
            assert page.url.split("?")[0] == f"{address}/voila/render/{start.PAGE}.ipynb"
            sections(page)
            page.locator(".training-start").click()
            page.wait_for_function(
                "() => /epoch (\\d+) of \\1/.test(document.querySelector('.training-counter')?.innerText)"
            )
            opened = page.locator(".microscope-anchor")
            unready = page.get_by_text("There is no result to look into yet")
            for _ in range(60):  # the run is stored a moment after its last epoch; a click before says so
                page.locator(".first-microscope").click()
                opened.or_(unready).first.wait_for()
                if opened.count():
                    break
                page.wait_for_timeout(1_000)
            some = "[...document.querySelectorAll('.js-plotly-plot')].some(e => e.querySelector('.points path'))"
            page.wait_for_function(f"() => document.querySelectorAll('.js-plotly-plot').length > 3 && {some}")
            page.set_viewport_size({"width": 390, "height": 800})
            page.emulate_media(color_scheme="dark")
            page.wait_for_timeout(500)
            assert not page.evaluate(WIDE)
            page.set_viewport_size({"width": 1280, "height": 800})
            page.locator("details#Gallery summary").click()
            follow(page, page.locator('details#Gallery a[href="10_grace.ipynb"]'), "Stub 10_grace")
            page = follow(page, page.locator('a[href="../docs/glossary.md"]').first, "Glossary")
            for link in page.locator("a").all():
                where = link.evaluate("a => a.href")
                if where.startswith(address) and not re.search(r"/render/", where):
                    assert page.request.get(where).ok, where
            follow(page, page.locator('a[href="../render/10_grace.ipynb"]').first, "Stub 10_grace")
            page.set_viewport_size({"width": 1280, "height": 800})
            page.emulate_media(color_scheme="dark")
            page.goto(f"{address}/voila/render/slow.ipynb")
            types_a_rule(page)
            assert page.evaluate("document.body.dataset.jpThemeLight") == "false" and "theme=dark" in page.url
            assert asked.elsewhere == []
        except BaseException:
            page.screenshot(path=tmp_path / "failed.png")
            raise


class Start(Screen):
    """The start page in JupyterLab."""

    @property
    def drawn(self) -> str:
        return "document.querySelector('.wb-start details')"


@needs_chromium
def test_jupyterlab_opens_each_section_and_each_notebook(tmp_path: Path) -> None:
    with lab(tmp_path, "import workbench as wb\nwb.start.contents()") as (address, token):
        folder_of(tmp_path / "root")
        with browser(address, token, tmp_path, Start) as screen:
            sections(screen.page)
            screen.page.locator("details#Gallery summary").click()
            screen.page.locator('details#Gallery a[href*="10_grace"]').click()
            screen.page.get_by_role("heading", name="Stub 10_grace").wait_for()
            assert not screen.errors


def status(address: str, path: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{address}/{path}", headers=headers), timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_app_answers_this_machine_and_whoever_has_the_token(app: tuple[str, str]) -> None:
    address, token = app
    document = f"voila/docs/glossary.md?token={token}"
    for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""):
        assert status(address, document, Host=host) in (400, 403), host
    assert status(address, document, Host=f"localhost:{address.rpartition(':')[2]}") == status(address, document) == 200
    for path in (
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "../pyproject.toml",
        "/etc/passwd",
        "glossary.md%00",
    ):
        for place in ("voila/docs", "voila/render", "voila/files", "voila/static", "static"):
            assert status(address, f"{place}/{path}?token={token}") in (400, 403, 404, 405), (place, path)


def test_a_visitor_can_not_run_code_in_the_kernel_of_his_page(app: tuple[str, str], tmp_path: Path) -> None:
    address, token = app
    asked = f"{address}/voila/render/{start.PAGE}.ipynb?token={token}&theme=light"
    page = urllib.request.urlopen(asked, timeout=PATIENCE / 1000)
    found = re.search(r'"kernelId": *"([0-9a-f-]{36})"', page.read().decode())
    assert found, "the page names its kernel"
    sprung = tmp_path / "sprung"

    def message(kind: str, content: dict[str, Any]) -> str:
        header = {"msg_id": secrets.token_hex(8), "msg_type": kind, "username": "", "session": "s", "version": "5.3"}
        whole = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        return json.dumps({**whole, "buffers": []})

    async def talk() -> list[str]:
        url = f"{address.replace('http', 'ws')}/api/kernels/{found[1]}/channels?token={token}&session_id=s"
        channel = await websocket_connect(url)
        code = {"code": f"open({str(sprung)!r}, 'w')", "silent": False, "store_history": False}
        await channel.write_message(message("execute_request", {**code, "user_expressions": {}, "allow_stdin": False}))
        await channel.write_message(message("kernel_info_request", {}))
        kinds: list[str] = []
        while "kernel_info_reply" not in kinds:
            answer = await asyncio.wait_for(channel.read_message(), 60)
            assert isinstance(answer, str)
            kinds.append(json.loads(answer)["msg_type"])
        channel.close()
        return kinds

    kinds = asyncio.run(talk())
    assert "execute_reply" not in kinds and not sprung.exists()
