"""The page of claims, made from the kept results."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.atomic import whole
from workbench.studies import choices, published, results, verdicts
from workbench.studies.families import RELEASED, switch_name
from workbench.studies.published import Cell
from workbench.studies.study import Claim, Study, load
from workbench.studies.verdicts import MARGIN, Verdict

PAGE = "claims.md"
DECIDING = ("negatives", "placebo", "reproduction", "learning-curve")  # studies whose claims stand on the page
MARKS = {
    **dict.fromkeys((verdicts.REPRODUCED, verdicts.HELD), "🟢"),
    **dict.fromkeys((verdicts.WORSE, verdicts.CONTRADICTED), "🔴"),
    **dict.fromkeys(
        (verdicts.UNDECIDED, verdicts.EQUAL, verdicts.LESS, verdicts.NOT_SEPARABLE, verdicts.TOO_FEW), "🟡"
    ),
    verdicts.BETTER: "🔵",
}


def of_cells(rows: pd.DataFrame) -> list[tuple[Cell, Verdict]]:
    """Return every published number with its verdict."""
    return [(cell, verdicts.of_cell(cell, rows)) for cell in published.cells()]


def cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per published number: claim, published, protocol, obtained, ours, seeds, verdict, reason."""
    lines = []
    for cell, verdict in of_cells(rows):
        facts = _published(cell), cell.protocol or "not known", cell.obtained, round(verdict.ours, 1)
        lines.append((cell.id, *facts, verdict.seeds or None, verdict.word, verdict.reason))
    columns = ["claim", "published", "protocol", "obtained", "ours", "seeds", "verdict", "reason"]
    return pd.DataFrame(lines, columns=columns).astype({"seeds": "Int64"})


def claims(folder: Path | None = None) -> pd.DataFrame:
    """Return what became of every claim with a source, see `verdicts.claims`."""
    return pd.concat([table for _, table in _claims(folder)], ignore_index=True)


def _claims(folder: Path | None) -> Iterable[tuple[Claim, pd.DataFrame]]:
    for name in DECIDING:
        study = load(name)
        table = verdicts.claims(results.read(name, folder), study)
        yield from ((claim, table[table["claim"] == claim.id]) for claim in study.claims if claim.source)


def switches(folder: Path | None = None) -> pd.DataFrame:
    """Return what each switch changes against the release: method, data, switch, seeds, difference, low, high, verdict.

    "training at all" is the release against its untrained encoder.
    """
    rows, parts = results.read("switches", folder), []
    for method in sorted({method for method, _ in published.entries("switch")}):
        named = {switch_name(method, name): name for name in published.switches(method)}
        named[switch_name(method, RELEASED)] = "training at all"
        table = verdicts.differences(rows, load("switches", method=method))
        parts.append(table.assign(method=method, switch=table["first"].map(named)))
    return pd.concat(parts)[["method", "data", "switch", "seeds", "difference", "low", "high", "verdict"]]


def write(folder: Path | None = None) -> Path:
    """Write the page and return its path."""
    folder = folder or results.FOLDER
    rows = results.read("reproduction", folder)
    judged = of_cells(rows)
    counts = pd.Series([verdict.word for _, verdict in judged]).value_counts()
    sections = [
        "# Claims: what was published, what came out here, and why",
        "Written by `workbench study report` from the CSV files in this folder; nothing here is typed by hand.",
        f"A number is *reproduced* where the {100 * verdicts.CONFIDENCE:.0f} % interval of ours minus published lies "
        f"within {MARGIN:g} percentage point: two one-sided tests at 5 %. It is *better* or *worse* where the interval "
        f"lies on one side of zero and its middle beyond {MARGIN:g} point, else *undecided*. The interval counts the "
        "spread of our training seeds, which stands for that of the one training that was published as well, and the "
        "spread over splits of both.",
        "## Published numbers",
        f"{len(judged)} numbers: " + ", ".join(f"{count} {word}" for word, count in counts.items()) + ".",
    ]
    for paper, numbers in groupby(judged, lambda number: number[0].paper):
        sections += [f"### {paper}", *_numbers(numbers)]
    sections += ["Where each number was read, and how:", _sources([cell for cell, _ in judged]), "## Sentences"]
    intervals = "with 95 % t intervals over seeds; that of splits is not counted."
    sections.append(f"Differences are paired over training seeds, {intervals}")
    sections += [section for claim, table in _claims(folder) for section in _sentence(claim, table)]
    sections += _curves(results.read("learning-curve", folder))
    sections += ["## Switches between paper and released code", *_switches(folder)]
    sections += ["## How much is protocol", *_lens(results.read("protocols", folder))]
    sections += ["## Cost of a training", *_costs(results.costs(rows))]
    sections += ["## Accuracy, beside what needs no training", _accuracy(rows)]
    sections.append(_scorings(rows))
    path = folder / PAGE
    with whole(path) as draft:
        draft.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    return path


def _scorings(rows: pd.DataFrame) -> str:
    """Say which scores were taken in a way that has changed since."""
    old = rows[(rows["scoring"] == 1) & rows["protocol"].isin(["random-10-10-80", "public"])]
    trainings = len(old.drop_duplicates([*results.TRAINING, "protocol"]))
    return (
        f"{trainings} of these by random-10-10-80 or public were scored when C ended at 2^9; it goes to 2^19 now. "
        "The old range binds where attributes are small: untrained and collapsed encoders lose most by it."
    )


def study(study: Study, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the tables that are shown of a study, by name: summary, differences, claims; those that have rows."""
    protocol = next(iter(study.protocols), None)
    if not (rows["normalised"].notna() if study.lens else rows["protocol"] != "").any():
        return {}
    if study.lens:
        return {"protocols": results.lens(rows).drop(columns=["interval", "flawed"])}
    if study.snapshots:
        tables = {"curves": results.curves(rows)}
        if "effective_rank" in set(rows["metric"]):
            tables |= {"picks": choices.picks(rows), "correlations": choices.correlations(rows)}
    else:
        tables = {"summary": results.summary(rows, protocol), "differences": verdicts.differences(rows, study)}
    tables["claims"] = verdicts.claims(rows, study)
    return {name: table for name, table in tables.items() if len(table)}


def markdown(heads: str, rows: Iterable[Iterable[Any]]) -> str:
    """Write a table, its heads being parted by bars."""
    lines = [f"| {' | '.join(map(str, line))} |" for line in rows]
    return "\n".join([f"| {heads} |", "|---" * (heads.count("|") + 1) + "|", *lines])


def _numbers(judged: Iterable[tuple[Cell, Verdict]]) -> list[str]:
    rows, away = [], []
    for cell, verdict in judged:
        if verdict.here:
            facts = f"`{cell.id}`", _published(cell), cell.protocol or "not known", number(verdict.ours)
            rows.append((*facts, marked(verdict.word), verdict.reason))
        else:
            away.append(f"{cell.method} on {cell.graph} {_published(cell)}")
    shown = markdown("claim | published | protocol | ours | verdict | why", rows)
    left = f"Not run here, since the method is not in the workbench: {'; '.join(away)}."
    return [shown] * bool(rows) + [left] * bool(away)


def marked(word: str) -> str:
    """Write a verdict with its mark."""
    return f"{MARKS.get(word, '⚪')} {word}"


def _published(cell: Cell) -> str:
    return f"{cell.value:.2f}".rstrip("0").rstrip(".") + (f" ± {cell.spread:g}" if cell.spread is not None else "")


def _sources(known: list[Cell]) -> str:
    read: dict[str, list[str]] = {}
    for cell in known:
        read.setdefault(f"- {cell.source} ({cell.obtained})", []).append(f"`{cell.id}`")
    shown = [ids[0] if len(ids) == 1 else f"{len(ids)} numbers, {ids[0]} …" for ids in read.values()]
    return "\n".join(map("{}: {}".format, read, shown))


def _sentence(claim: Claim, table: pd.DataFrame) -> list[str]:
    sign, rows = "÷" if claim.cost else "−", []
    for row in table.itertuples():
        value = f"{row.value:+.1f} [{row.low:+.1f}, {row.high:+.1f}] {row.unit}"
        if claim.cost:
            value = "–" if row.value != row.value else f"{row.value:.2f} {row.unit}"
        rows.append((row.data, f"{row.first} {sign} {row.second}", row.seeds, value, marked(row.verdict)))
    title = f"**{claim.says}** ({claim.source}){' ' * bool(claim.note)}{claim.note}"
    shown = markdown("graph | held against each other | seeds | value | verdict", rows)
    return [title, shown if rows else "Not run here."]


def _curves(rows: pd.DataFrame) -> list[str]:
    if not len(rows):
        return []
    seeds = results.curves(rows).sort_values("epochs", kind="stable").groupby(["data", "condition", "seed"])
    accuracy = seeds["accuracy"].agg(["first", "last", "max"])
    cost = seeds.agg(seconds=("seconds", "max"), peak_mib=("peak_mib", "mean"))
    means = accuracy.join(cost).groupby(["data", "condition"]).mean()
    heads = "graph | method | accuracy untrained, % | in the end, % | FLAWED: best on the way, % | seconds | peak MiB"
    lines = [(*key, *(f"{value:.1f}" for value in numbers), f"{mib:,.0f}") for key, *numbers, mib in means.itertuples()]
    flaw = "The best on the way is picked by test accuracy: flawed, an upper bound that nobody could have chosen."
    return [f"Courses of these trainings, means over seeds. {flaw}", markdown(heads, lines)]


def _switches(folder: Path) -> list[str]:
    rows = results.read("switches", folder)
    if not len(rows):
        return ["Not run here."]
    table, protocols = switches(folder), ", ".join(filter(None, rows["protocol"].unique()))
    table["difference"] = [f"{row.difference:+.1f} [{row.low:+.1f}, {row.high:+.1f}]" for row in table.itertuples()]
    lines = table.drop(columns=["low", "high"]).to_numpy()
    return [
        "One change at a time against what the release does, each training with the quick preset, accuracy by "
        f"{protocols}, mean difference with its 95 % t interval over training seeds, percentage "
        "points. The last row of each graph is the release against its own untrained encoder.",
        markdown("method | graph | switch | seeds | difference | verdict", lines),
    ]


def _lens(rows: pd.DataFrame) -> list[str]:
    if not len(rows):
        return ["Not run here."]
    table = results.lens(rows)
    sections = [
        "The same embeddings, scored in every way that has a name here, on at most "
        f"{table['splits'].max()} splits; **bold** is how the protocol treats rows."
    ]
    for (method, graph), part in table.groupby(["condition", "data"], sort=False):
        lines = []
        for name, both in part.groupby("protocol", sort=False):
            first, ways = both.iloc[0], both.sort_values("normalised", ascending=False).itertuples()
            scores = [f"**{way.accuracy:.1f}**" if way.own else f"{way.accuracy:.1f}" for way in ways]
            lines.append((f"{name}{' (flawed)' * bool(first['flawed'])}", first["solver"], *scores))
        shown = markdown("protocol | probe | rows divided by their norm, % | rows as they are, %", lines)
        sections += [f"`{method}/{graph}`, training seeds: {part['training seeds'].max()}", shown]
    flaws = table[table["flawed"] != ""].drop_duplicates("protocol")
    return [*sections, "\n".join(f"- `{row.protocol}` is flawed: {row.flawed}." for row in flaws.itertuples())]


def _costs(costs: pd.DataFrame) -> list[str]:
    rows: list[tuple[Any, ...]] = []
    for planned in published.trainings():
        part = costs[(costs["condition"] == planned.method) & (costs["data"] == planned.graph)]
        done, name = part[part["finished"] == 1], (planned.method, planned.graph)
        count = f"{len(done)} of {planned.seeds}"
        if not len(part):
            rows.append((*name, count, "–", "not run here", "–", "–"))
        for device, same in done.groupby("device"):
            epochs = " / ".join(f"{number:,}" for number in sorted(set(same["epochs"])))
            seconds = f"{same['seconds'].min():,.0f} – {same['seconds'].max():,.0f}"
            rows.append((*name, count, epochs, seconds, f"{same['peak_mib'].mean():,.0f}", device))
        for row in part[part["finished"] == 0].itertuples():
            epochs, seconds = f"{row.epochs:,} of {row.asked_epochs:,.0f}", f"{row.seconds:,.0f} up to there"
            rows.append((*name, f"seed {row.seed} did not finish", epochs, seconds, f"{row.peak_mib:,.0f}", row.device))
    return [
        "Released presets. The machine did other work meanwhile, which only adds to the seconds: the least is nearest "
        "to what a training takes.",
        markdown("method | graph | seeds finished | epochs | seconds, least – most | peak MiB | device", rows),
    ]


def _accuracy(rows: pd.DataFrame) -> str:
    scores = rows[rows["metric"] == "accuracy"].fillna({"seed": -1})
    if not len(scores):
        return "Nothing was run yet."
    means = scores.groupby(["data", "protocol", "condition", "seed"])["value"].agg(["mean", "std"])
    lines = []
    for key, seeds in means.groupby(["data", "protocol", "condition"]):
        spreads = number(seeds["mean"].std(), 2), number((seeds["std"] ** 2).mean() ** 0.5, 2)
        lines.append((*key, len(seeds), number(seeds["mean"].mean()), *spreads))
    return markdown(
        "graph | protocol | condition | seeds | accuracy, % | spread over seeds | spread over splits", lines
    )


def number(value: float, digits: int = 1) -> str:
    """Write a number for a table, a dash where there is none."""
    return "–" if value != value else f"{value:.{digits}f}"
