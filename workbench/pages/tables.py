"""Tables for a notebook: columns that are sorted by a click, prose that wraps, and a plain text for the terminal."""

import html
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench import evaluation

SHARED = ("protocol", "training seeds", "± over seeds")  # columns that say nothing where they say the same of all rows

# One listener serves all tables of a page, also those that come later. Rows without a number stay last.
_SCRIPT = """<script>
globalThis.workbenchSorts ??= (document.addEventListener("click", ({ target }) => {
  const head = target.closest?.(".wb-table thead th");
  if (!head) return;
  const heads = [...head.parentElement.children], body = head.closest("table").tBodies[0];
  const column = heads.indexOf(head), down = head.ariaSort == "descending" ? 1 : -1;
  const of = (row) => row.children[column].dataset.value ?? row.children[column].textContent;
  const compare = (one, other) => {
    const [a, b] = [of(one), of(other)];
    if (a === "" || b === "") return (a === "") - (b === "");
    return down * (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
  };
  [...body.rows].sort(compare).forEach((row) => body.append(row));
  heads.forEach((other) => (other.ariaSort = other == head ? (down > 0 ? "ascending" : "descending") : "none"));
}), true);
</script>"""
_STYLE = """<style>
.wb-wide { container-type: inline-size; overflow-x: auto; }
.wb-table { border-collapse: collapse; border: 0; font-size: 13px; line-height: 1.45; color: inherit; margin: 0; }
.wb-table caption { text-align: left; padding: 0 0 6px; caption-side: top; color: inherit; }
.wb-table tr, .wb-table tbody tr:nth-child(odd), .wb-table tbody tr:nth-child(even) { background: none; }
.wb-table :is(td, th) { text-align: right; vertical-align: top; padding: 5px 12px 5px 0; max-width: none; border: 0;
  border-bottom: 1px solid rgba(128, 128, 128, .3); white-space: nowrap; font-variant-numeric: tabular-nums; }
.wb-table :is(td, th).wb-words { text-align: left; }
.wb-table td.wb-prose { white-space: normal; min-width: 12em; max-width: 36em; overflow-wrap: anywhere; }
.wb-table thead th { vertical-align: bottom; border-bottom: 2px solid rgba(128, 128, 128, .5); }
.wb-table thead button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0;
  cursor: pointer; text-align: inherit; white-space: normal; }
.wb-table thead button::after { content: " ↕"; opacity: .45; }
.wb-table th[aria-sort=descending] button::after { content: " ↓"; opacity: 1; }
.wb-table th[aria-sort=ascending] button::after { content: " ↑"; opacity: 1; }
.wb-table tr.wb-best td { font-weight: 600; border-bottom: 2px solid #D47E00; }
.wb-badge { border: 1px solid #D47E00; border-radius: 9px; padding: 0 7px; margin-left: 6px; font-size: 11px; }
@container (max-width: 560px) {
  .wb-cards, .wb-cards :is(tbody, tr, td, caption) { display: block; width: 100%; }
  .wb-cards thead { display: none; }
  .wb-cards tbody tr { padding: 8px 0; border-bottom: 1px solid rgba(128, 128, 128, .5); }
  .wb-table.wb-cards tbody td { text-align: left; white-space: normal; max-width: none; border: 0; padding: 1px 0; }
  .wb-cards td:not(:first-child):not(:empty)::before { content: attr(data-head) ": "; opacity: .7; }
  .wb-cards td:first-child { font-weight: 600; }
}
</style>"""


class Shown:
    """Something that a notebook shows as HTML and a terminal as text."""

    def __init__(self, markup: str, text: str):
        self.markup, self.text = markup, text

    def _repr_html_(self) -> str:
        return self.markup

    def __repr__(self) -> str:
        return self.text


def table(
    rows: pd.DataFrame,
    caption: str = "",
    sorted_by: Mapping[str, Sequence[Any]] | None = None,
    best: str | None = None,
    markup: Collection[str] = (),
) -> Shown:
    """Return rows as a table: words to the left and wrapped, numbers to the right, each column sorted by a click.

    On a phone a table with prose becomes one card per row.

    Args:
        rows: what is shown, the index left out. caption: a line above.
        sorted_by: by column the number of each row that is sorted by, where what is shown is no number.
        best: in the first column, the row that is set off as the best baseline.
        markup: columns that are HTML already; all others are text.
    """
    keys = {name: list(values) for name, values in (sorted_by or {}).items()}
    words = {c for c in rows if c not in keys and not pd.api.types.is_numeric_dtype(rows[c])}
    prose = {c for c in words if rows[c].astype(str).str.len().max() > 40}
    first, body = rows.columns[0], []
    for place, row in enumerate(rows.to_dict("records")):
        marked = best is not None and row[first] == best
        cells = []
        for name, value in row.items():
            missing = value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))
            shown = "" if missing else str(value) if name in markup else html.escape(str(value))
            shown += '<span class="wb-badge">best baseline</span>' if marked and name == first else ""
            key = keys[name][place] if name in keys else "" if missing else None if name in words else value
            data = "" if key is None else f' data-value="{_key(key)}"'
            look = ("wb-words " * (name in words) + "wb-prose" * (name in prose)).strip()
            cells.append(f'<td class="{look}" data-head="{html.escape(str(name))}"{data}>{shown}</td>')
        body.append(f'<tr class="{"wb-best" * marked}">' + "".join(cells) + "</tr>")
    heads = "".join(
        f'<th scope="col" aria-sort="none" class="{"wb-words" * (name in words)}">'
        f"<button>{html.escape(str(name))}</button></th>"
        for name in rows
    )
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    look = "wb-table wb-cards" if prose else "wb-table"
    whole = f'<table class="{look}">{above}<thead><tr>{heads}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    plain = rows.drop(columns=[*markup]).set_index(first) if first not in markup else rows
    text = plain.rename(index={best: f"{best} (best baseline)"}).rename_axis(None).to_string(na_rep="–")
    return Shown(f'{_STYLE}<div class="wb-wide">{whole}</div>{_SCRIPT}', f"{caption}\n\n{text}" if caption else text)


def _key(value: Any) -> str:
    """Return what a cell is sorted by; nothing for a missing number."""
    return "" if value == "" or pd.isna(value) else str(value)


def comparison(compared: pd.DataFrame, about: str = "") -> Shown:
    """Return what `compare` returned as a table that can be sorted, the best baseline marked.

    The last column says by how many points a row is above it. What all rows have in common stands above the table,
    behind `about`.
    """
    shown = evaluation.format(compared)
    main = shown.columns[1]
    measures = {name: name.split(" %")[0] for name in shown.columns if " %" in name}
    baselines = compared[compared["kind"] != "trained"]
    scores = compared[measures[main]]
    best = baselines.loc[scores[baselines.index].idxmax(), "name"] if len(baselines) else None
    keys = {name: compared[column] for name, column in measures.items()}
    keys |= {name: compared[name] for name in ("seconds", "peak MiB")}
    common = [about, *(shown["protocol"].unique() if shown["protocol"].nunique() == 1 else ())]
    dropped = [name for name in SHARED if shown[name].nunique() == 1 or set(shown[name]) <= {"–", "1"}]
    shown = shown.drop(columns=dropped)
    if best is not None:
        gaps = scores - scores[baselines.index].max()
        shown["above the best baseline"] = [f"{gap:+.1f}" for gap in gaps]
        keys["above the best baseline"] = gaps
    return table(shown, ", ".join(filter(None, common)), keys, best)
