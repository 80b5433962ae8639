"""Tables of a notebook: sorted by a click, prose wrapped, the best baseline marked; claims that say what they hold."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from browser import chromium, needs_chromium
from nbformat.v4 import new_code_cell, new_notebook, new_output

import workbench as wb
from workbench.pages.html import as_page

LONG = "a reason that is long enough to be called prose, and has <b>markup</b> in it; " * 2
ROWS = pd.DataFrame({"name": ["b", "a", "c"], "number": [10.0, 9.0, np.nan], "why": [LONG, "x", "y"]})


def compared() -> pd.DataFrame:
    rows = [
        ("raw", "baseline", 70.0),
        ("averaged", "baseline", 81.0),
        ("untrained m", "untrained", 75.0),
        ("m", "trained", 80.0),
    ]
    table = pd.DataFrame(rows, columns=["name", "kind", "accuracy"])
    more = {"macro F1": 60.0, "spread over splits": 1.0, "training seeds": 1, "spread over seeds": np.nan}
    return table.assign(
        **more, seconds=[0.0, 0.1, 12.0, 9.0], **{"peak MiB": np.nan}, protocol="random-10-10-80", solver="fast"
    )


def test_the_best_baseline_is_marked_and_others_are_held_against_it() -> None:
    shown = wb.tables.comparison(compared(), "graph, seed 0")
    assert (
        shown.markup.count("best baseline</span>") == 1
        and 'wb-best"><td class="wb-words" data-head="name">averaged' in shown.markup
    )
    assert "graph, seed 0, random-10-10-80, fast" in str(shown) and "averaged (best baseline)" in str(shown)
    assert ">-1.0</td>" in shown.markup and ">+0.0</td>" in shown.markup


def test_what_a_table_shows_is_text_unless_it_is_said_to_be_markup() -> None:
    assert "&lt;b&gt;" in wb.tables.table(ROWS).markup and "<b>" not in wb.tables.table(ROWS).markup
    assert "<b>" in wb.tables.table(ROWS, markup=("why",)).markup


def test_a_claim_says_its_numbers_or_fails_with_the_same_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    wb.claim("Four is more than three", 4 > 3, "by 1 < 2")
    assert capsys.readouterr().out.strip() == "✓ Four is more than three: by 1 < 2."
    with pytest.raises(AssertionError, match=r"this claim does not hold: Three is more: by -1\."):
        wb.claim("Three is more", np.bool_(False), "by -1")


@pytest.fixture(scope="module")
def started() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@needs_chromium
def test_a_click_sorts_and_a_phone_reads_prose(started: Any, tmp_path: Path) -> None:
    outputs = [
        new_output("display_data", {"text/html": shown.markup})
        for shown in (wb.tables.table(ROWS), wb.tables.comparison(compared()))
    ]
    cell = new_code_cell("1", outputs=outputs)
    (tmp_path / "page.html").write_text(as_page(new_notebook(cells=[cell]), "tables"))
    assert nbformat.v4.nbformat == 4
    page = started.new_page(viewport={"width": 1280, "height": 800})
    page.goto((tmp_path / "page.html").as_uri())
    first, second = page.locator(".wb-table").all()

    def order(table: Any) -> list[str]:
        return [
            text.removesuffix("best baseline") for text in table.locator("tbody td:first-child").all_text_contents()
        ]

    head = first.get_by_role("button", name="number")
    head.press("Enter")  # by the keyboard too
    assert order(first) == ["b", "a", "c"] and first.locator("th").nth(1).get_attribute("aria-sort") == "descending"
    head.click()
    assert order(first) == ["a", "b", "c"]  # nothing is after all numbers
    second.get_by_role("button", name="seconds").click()
    assert order(second) == ["untrained m", "m", "averaged", "raw"]  # as numbers, not as words
    prose = first.locator("td.wb-prose").filter(has_text="a reason")
    assert prose.evaluate("e => getComputedStyle(e).textAlign") == "left"
    page.set_viewport_size({"width": 390, "height": 800})
    assert prose.evaluate("e => e.getBoundingClientRect().right <= innerWidth && e.scrollWidth <= e.clientWidth")
    assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    page.close()
