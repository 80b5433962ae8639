"""The page of a study, or of several: what was measured by each protocol, and what became of its claims."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.atomic import whole
from workbench.evaluation import protocols
from workbench.studies import report, results, verdicts
from workbench.studies.ranks import mean_ranks
from workbench.studies.report import markdown, marked, number
from workbench.studies.study import Claim, Study, load

# The pages that are kept with the results of the project, beside that of the claims.
PAGES = {"families.md": ("typed", "graph-level", "generative", "pretexts"), "recommendation.md": ("recommendation",)}
SEVERAL = "What a training is worth, study by study"
HEAD = (
    "Written by `workbench study report` from the CSV files beside it. Means over training seeds in percent, ± their "
    "deviation. A difference is paired over the seeds, in percentage points with its 95 % t interval. A claim stands "
    "in the file of its study; it is *held* where the whole interval lies above what it says, *contradicted* where it "
    "lies below. Seconds are of cores that did other work meanwhile."
)
KINDS = ("baseline", "untrained", "trained")  # in the order of a table
UNKNOWN = "Nothing was measured yet."


def write(words: Iterable[str], file: Path, folder: Path | None = None) -> Path:
    """Write the page of studies, by their names or files, from the results in a folder; return its path."""
    with whole(file) as draft:
        draft.write_text(page(words, folder), encoding="utf-8")
    return file


def page(words: Iterable[str], folder: Path | None = None) -> str:
    """Return the page of studies in Markdown; folder of the results, None for that of the project."""
    studies = [*map(load, words)]
    parts = [f"# {SEVERAL if len(studies) > 1 else studies[0].title}", HEAD]
    for study in studies:
        parts += [f"## {study.title}"] * (len(studies) > 1)
        rows = results.read(study.name, folder)
        parts += section(study, rows) if len(rows) else [UNKNOWN]
    return "\n\n".join(parts) + "\n"


def section(study: Study, rows: pd.DataFrame) -> Iterator[str]:
    """Yield what a page says of one study."""
    if study.notes:
        yield study.notes.strip()
    yield (
        f"Rows: [{study.name}.csv]({study.name}.csv), by `workbench study run {study.name} --out "
        f"docs/results/{study.name}.csv`."
    )
    if study.lens or study.snapshots:
        for table in report.study(study, rows).values():
            yield markdown(" | ".join(table), table.round(2).to_numpy())
        return
    settings = {one.name: ", ".join([one.preset or "", *_changes(one.overrides)]) for one in study.conditions}
    judged = verdicts.claims(rows, study)
    scored = {*rows.loc[rows["protocol"] != "", ["data", "condition"]].itertuples(index=False, name=None)}
    for data, part in rows.groupby("data", sort=False, observed=True):
        measured = part["protocol"].unique()
        own = [name for name in study.protocols if name in measured] or [name for name in measured if name]
        for name in own:
            yield f"### {data}, {name}"
            mine = part[part["protocol"] == name]  # none of a training that was not finished
            yield _measured(results.summary(mine, name), settings)
            asked = [claim for claim in study.claims if (claim.protocol or study.protocols[0]) == name]
            here = judged[judged["data"] == data]
            lines = [line for claim in asked if data in (claim.data or [data]) for line in _judged(claim, here)]
            if lines:
                yield markdown("claim | held against each other | difference | verdict", lines)
    yield from _ranked(study, rows)
    if missing := [
        f"{one.name} on {data}"
        for data in study.data
        for one in study.conditions
        if data in (one.data or [data]) and (data, one.name) not in scored
    ]:
        yield f"Not run: {'; '.join(missing)}."


def _ranked(study: Study, rows: pd.DataFrame) -> Iterator[str]:
    if not study.ranked or not len(table := mean_ranks(rows, study)):
        return
    first = table.iloc[0]
    tasks = ", ".join(f"{name} by {protocols.LABELS.get(measure, measure)}" for name, measure in study.ranked)
    yield f"### Mean rank over {first['tasks']} tasks on {first['data']} data"
    yield (
        f"1 is the best of {len(table)}; the tasks are {tasks}. Means over {first['seeds']} seeds, with the 95 % t "
        "interval over them."
    )
    ends = [f"[{row.low:.2f}, {row.high:.2f}]" if row.seeds > 1 else "–" for row in table.itertuples()]
    lines = zip(table["condition"], table["rank"].map("{:.2f}".format), ends, strict=True)
    yield markdown("condition | mean rank | interval", lines)


def _changes(overrides: Iterable[tuple[str, Any]]) -> list[str]:
    return [
        f"{name}={value[0] if isinstance(value, tuple) and len(value) == 1 else value}" for name, value in overrides
    ]


def _measured(summary: pd.DataFrame, settings: dict[str, str]) -> str:
    measures = [name for name in summary if name not in ("data", "condition", "kind", "seeds", "seconds")]
    main, others = measures[0], [name for name in measures[1:] if not name.startswith("spread over")]
    lines = []
    order = {name: place for place, name in enumerate(settings)}

    def place(row: dict[str, Any]) -> tuple[int, int]:
        return KINDS.index(row["kind"]), order.get(row["condition"], 0)

    for row in sorted(summary.to_dict("records"), key=place):
        spread = f" ± {number(row['spread over seeds'])}" if row["seeds"] > 1 else ""
        facts = row["condition"], settings.get(row["condition"], "–"), row["seeds"] or "–"
        scores = f"{number(row[main])}{spread}", *(number(row[name]) for name in others)
        lines.append((*facts, *scores, number(row["seconds"])))
    return markdown(" | ".join(["", "settings", "seeds", main, *others, "seconds"]).strip(), lines)


def _judged(claim: Claim, table: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    needed = f" (by more than {claim.least:g})" * bool(claim.least)
    measure = f" ({protocols.LABELS.get(claim.measure, claim.measure)})" * bool(claim.measure)
    found = table[table["claim"] == claim.id].set_index(["first", "second"])
    for first, second in claim.pairs:
        value, word = "–", verdicts.NOT_RUN
        if (first, second) in found.index:
            row = found.loc[(first, second)]
            value = f"{row['value']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}], {row['seeds']} seeds"
            word = row["verdict"]
        yield f"{claim.says}{needed}{measure}", f"{first} − {second}", value, marked(word)
