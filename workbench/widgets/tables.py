"""Tables of nodes as a widget shows them."""

from typing import Any

import pandas as pd


def table(facts: pd.DataFrame) -> str:
    """Return a table as HTML, its numbers short and its words escaped."""

    def short(values: Any) -> list[str]:
        whole = bool((values.dropna() == values.dropna().round()).all())
        form = ".3f" if values.name == "cosine" else ".0f" if whole else ".3g"
        return ["–" if pd.isna(value) else f"{value:{form}}" for value in values]

    shown = facts.assign(**{name: short(facts[name]) for name in facts.select_dtypes("floating").columns})
    look = ".workbench-table :is(td, th) { padding: 1px 14px 1px 0; text-align: left; line-height: 1.6 } "
    look += ".workbench-table th { white-space: nowrap }"
    return f"<style>{look}</style>" + shown.to_html(index=False, border=0, classes="workbench-table")
