"""The upload page: files in, what was understood, columns chosen, trained and taken home; also in a real browser."""

import base64
import csv
import html
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Screen, browser, lab, needs_chromium

from workbench import widgets
from workbench.errors import UserError
from workbench.widgets import shell
from workbench.widgets.own_files import Upload, safe_name
from workbench.widgets.thread import under_way


@pytest.fixture(autouse=True)
def somebody_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    yield
    for training in under_way():
        training.end()
        training.join(60)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Return a table of edges as a German program writes it, a table of nodes, and a file that is no graph."""
    people = [f"Ann {i:02}" for i in range(30)]
    edges = [f"{name};{people[(i * step) % 30]};{i % 4},5" for i, name in enumerate(people) for step in (2, 7)]
    nodes = [f"{name},{20 + i},{('Ulm', 'Bonn')[i % 2]},{('a', 'b', 'c')[i % 3]}" for i, name in enumerate(people)]
    made = {
        "friends.csv": ["from;to;weight", *edges],
        "people.csv": ["id,age,town,team", *nodes],
        "bad.gml": ["graph ["],
    }
    for name, lines in made.items():
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8-sig" if name == "friends.csv" else "utf-8")
    return {name: tmp_path / name for name in made}


def upload(page: widgets.OwnGraph, field: str, file: Path, name: str = "") -> None:
    whole, at = file.read_bytes(), 0
    told = list[dict[str, Any]]()
    page.uploads[field].send = told.append
    while at < len(whole):
        content = {"kind": "part", "name": name or file.name, "at": at, "size": len(whole)}
        page.uploads[field].take(None, content, [memoryview(whole[at : at + 100])])
        at = told[-1]["at"]


def said(page: widgets.OwnGraph) -> dict[str, str]:
    texts = {name: html.unescape(re.sub("<[^>]*>", "", beside.value)) for name, beside in page.complaints.items()}
    return {name: text for name, text in texts.items() if text}


def opened(*arguments: Any, **more: Any) -> widgets.OwnGraph:
    page = widgets.own_graph(*arguments, **more)
    assert isinstance(page, widgets.OwnGraph)
    return page


def test_files_are_uploaded_read_trained_on_and_taken_home(files: dict[str, Path]) -> None:
    page = opened(epochs=2)
    upload(page, "nodes", files["people.csv"])
    assert said(page) == {"nodes": "The edges come first: a table of nodes alone is no graph."}
    upload(page, "edges", files["friends.csv"])
    assert said(page) == {} and page.graph is not None and page.graph.feature_names == ["age"]
    assert "decimal commas" in page.read.value and "town" in page.read.value
    assert [*page.source.options] == ["as found", "from", "to", "weight"]
    offered = dict((value, told) for told, value in page.attributes.options)
    assert offered["age"] == "age (numbers, attribute)" and offered["town"] == "town (words, left out)"
    page.attributes.value, page.label.value = ("age", "town", "core"), "team"
    assert page.graph.feature_names[:3] == ["age", "town=Bonn", "town=Ulm"] and page.graph.class_names == [
        "a",
        "b",
        "c",
    ]
    assert page.graph.feature_names[3].startswith("core ")
    assert "town (words, attribute)" in dict(page.attributes.options) and page.attributes.value == (
        "age",
        "town",
        "core",
    )
    page.directed.value = "kept"
    assert page.graph.is_directed() and page.label.value == "team"
    page.directed.value = "as found"
    assert page.graph.is_undirected()
    call = "wb.load_graph(\"friends.csv\", features=('people.csv', ['age', 'town', 'core']), labels='team')"
    assert call in page.home.call
    page._save()
    assert "no result to look into yet" in page.saved.value
    assert page.first is not None
    page.first.panel.start()
    page.first.panel.scene.join(60)
    assert page.run is not None and page.run.epochs == 2
    page._save()
    link = re.search(r'download="grace-friends.csv" href="data:text/csv;base64,([^"]*)"', page.saved.value)
    assert link is not None
    rows = [*csv.reader(io.StringIO(base64.b64decode(link[1]).decode()))]
    assert [row[0] for row in rows] == ["name", *(f"Ann {i:02}" for i in range(30))]
    assert [float(value) for value in rows[7][1:]] == pytest.approx(page.run.embeddings[6].tolist(), rel=1e-5)
    folder = Path(page._folder.name)
    assert folder.stat().st_mode & 0o077 == 0 and {file.name for file in folder.rglob("*")} > {"friends.csv"}
    page.close()
    assert not folder.exists()


def test_a_refused_file_or_choice_is_told_beside_its_field_and_loses_nothing(files: dict[str, Path]) -> None:
    page = opened(files["friends.csv"])
    assert page.graph is not None and page.graph.num_nodes == 30
    before = page.graph
    upload(page, "edges", files["bad.gml"])
    (told,) = said(page).items()
    assert (
        told[0] == "edges" and told[1].startswith("bad.gml can't be read as gml") and page._folder.name not in told[1]
    )
    assert "what was read before stays" in told[1] and page.graph is before
    page.paths["edges"].value = str(files["friends.csv"])
    assert said(page) == {}
    page.source.value = "weight"
    assert said(page) == {"choices": "Choose the other end of the edges, too."}
    page.target.value = "to"
    assert said(page) == {} and page.graph.num_nodes == 34
    page.paths["nodes"].value = str(files["people.csv"].with_name("peple.csv"))
    assert list(said(page)) == ["nodes"] and "peple.csv" in said(page)["nodes"]
    page.paths["nodes"].value = ""
    assert said(page) == {} and page.graph.num_nodes == 30
    page.label.value = "none"
    assert page.graph.get("y") is None and "graph.y = None" in page.home.call
    page.close()


def test_columns_can_be_chosen_where_the_ends_are_not_found(tmp_path: Path) -> None:
    file = tmp_path / "gifts.csv"
    lines = [f"a{i},{i},a{(i + 1) % 12},x{i % 3}" for i in range(12)]
    file.write_text("\n".join(["giver,price,taker,shop", *lines]))
    page = opened(str(file))
    assert page.graph is None and "source" in said(page)["edges"]
    assert {"giver", "taker"} < {*page.source.options}
    page.source.value, page.target.value = "giver", "taker"
    assert said(page) == {} and page.graph is not None and page.graph.num_nodes == 12
    page.close()


def test_two_uploads_of_one_name_are_two_files(files: dict[str, Path], tmp_path: Path) -> None:
    page = opened()
    for field, name in (("edges", "friends.csv"), ("nodes", "people.csv")):
        upload(page, field, files[name], "data.csv")
    assert said(page) == {} and page.graph is not None and page.graph.feature_names == ["age"]
    assert "load_graph(\"data.csv\", features='data.csv')" in page.home.call
    page.close()


def test_a_part_that_was_lost_is_asked_for_again_and_a_full_disk_is_told(tmp_path: Path) -> None:
    made, told, whole = Upload(tmp_path / "edges"), list[dict[str, Any]](), b"a,b\nc,d\n"
    made.send = told.append
    seen = list[Path | None]()
    made.observe(lambda change: seen.append(change["new"]), "file")
    for at, end in ((0, 3), (6, 9), (3, 6), (3, 6), (6, 9), (0, 9)):  # one early, one twice, and then all anew
        made.take(None, {"kind": "part", "name": "../e.csv", "at": at, "size": len(whole)}, [whole[at:end]])
    assert [answer["at"] for answer in told] == [3, 3, 6, 6, 8, 8]
    assert made.file == tmp_path / "edges" / "e.csv" and made.file.read_bytes() == whole
    assert seen == [made.file, None, made.file]
    (tmp_path / "edges" / "full.csv").symlink_to("/dev/full")
    made.take(None, {"kind": "part", "name": "full.csv", "at": 0, "size": 3}, [b"abc"])
    assert told[-1] == {"kind": "failed", "why": "full.csv can't be kept: No space left on device"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../etc/passwd.csv", "passwd.csv"), ("C:\\data\\my edges.csv", "my-edges.csv"), (".bashrc", "bashrc"),
     ("..", "file"), ("a;rm -rf.csv", "a-rm--rf.csv"), ("x" * 300 + ".csv", "x" * 96 + ".csv"), ("é.tsv", "é.tsv")],
)  # fmt: skip
def test_names_of_uploads_stay_in_their_folder(name: str, kept: str) -> None:
    assert safe_name(name) == kept


def test_nobody_there_to_click_sees_what_was_read_and_a_training(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(shell.HEADLESS, "1")
    with pytest.raises(UserError, match="nothing to upload"):
        widgets.own_graph()
    report = widgets.own_graph(files["friends.csv"], files["people.csv"], epochs=2)
    assert isinstance(report, widgets.Report) and [*report.figures] == ["losses", "accuracy", "map"]
    first = report.scene.page(report.figures)[0]
    assert "decimal commas" in first and report.run.epochs == 2
    with pytest.raises(UserError, match=r"did you mean 'friends.csv'"):
        widgets.own_graph(files["friends.csv"].with_name("freinds.csv"))


def test_a_wrong_word_is_told_before_anything_is_shown() -> None:
    with pytest.raises(UserError, match="did you mean 'grace'"):
        widgets.own_graph(method="gracee")


# -------------------------------------------------------------------------------------------------- a real browser


class Page(Screen):
    """The page with the upload."""

    drawn = "document.querySelector('.own-upload-edges')"

    def send(self, field: str, file: Path) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.page.locator(f".own-upload-{field} button").click()
        chooser.value.set_files(file)

    def picture(self, name: str) -> None:
        """Keep a picture where a person asks for them, to look at."""
        if folder := os.environ.get("WORKBENCH_PICTURES"):
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    @property
    def too_wide(self) -> bool:
        wide = (
            "() => [...document.querySelectorAll('.jp-OutputArea-output')].some(e => e.scrollWidth > e.clientWidth + 1)"
        )
        return bool(self.page.evaluate(wide))


@needs_chromium
def test_a_person_in_a_browser_brings_a_graph_and_takes_it_home(files: dict[str, Path], tmp_path: Path) -> None:
    source = "import workbench as wb\npage = wb.widgets.own_graph(epochs=4)\npage"
    with lab(tmp_path, source) as (address, token), browser(address, token, tmp_path, Page) as screen:
        page = screen.page
        page.set_viewport_size({"width": 1280, "height": 1500})
        big = tmp_path / "big.npz"
        big.write_bytes(bytes(12 << 20))  # more than a server takes in one message
        screen.send("edges", big)
        page.locator(".own-complaint-edges").get_by_text("big.npz can't be read").wait_for()
        screen.picture("own-refused")
        screen.send("edges", files["friends.csv"])
        page.locator(".own-report").get_by_text("decimal commas").wait_for()
        assert page.locator(".own-complaint-edges").inner_text() == ""
        screen.send("nodes", files["people.csv"])
        page.locator(".own-attributes option").get_by_text("age (numbers, attribute)").wait_for(state="attached")
        page.locator(".own-attributes select").select_option(["age (numbers, attribute)", "town (words, left out)"])
        page.locator(".own-report").get_by_text("words of 'town', one-hot").wait_for()
        page.locator(".own-label select").select_option("team")
        page.locator(".own-report").get_by_text("classes from column 'team'").wait_for()
        page.wait_for_timeout(5_000)  # then another panel takes the place of the one that would be clicked
        screen.until("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 3")
        assert not screen.too_wide
        screen.picture("own-read")
        page.locator(".training-start").click()
        page.locator(".training-message").get_by_text("Trained: grace on friends").wait_for()
        page.locator(".own-save").click()
        with page.expect_download() as download:
            page.locator(".own-saved a").click()
        assert download.value.suggested_filename == "grace-friends.csv"
        table = Path(download.value.path()).read_text().splitlines()
        assert len(table) == 31 and table[1].startswith("Ann 00,")
        page.locator(".first-explorer").click()
        page.locator(".embedding-colour").wait_for()
        screen.until("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 4")
        assert not screen.too_wide
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
        screen.until("document.body.dataset.jpThemeLight == 'false'")
        page.wait_for_timeout(2_000)
        page.locator(".own-upload-edges").scroll_into_view_if_needed()
        screen.picture("own-dark")
        assert screen.left == []
