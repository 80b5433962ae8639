"""The page of claims, made from the kept results."""

from pathlib import Path

import pandas as pd

from workbench.studies.claims import courses, measure, switches
from workbench.studies.claims.cells import Cell, cells, sentences, trainings
from workbench.studies.claims.verdicts import (
    CONFIDENCE,
    EQUAL,
    LESS,
    MARGIN,
    NOT_COMPARABLE,
    NOT_RUN,
    Verdict,
    of_cell,
    of_sentence,
)

PAGE = "claims.md"
MARKS = {"reproduced": "🟢", "better": "🔵", "worse": "🔴", "undecided": "🟡", "held": "🟢", "contradicted": "🔴",
         EQUAL: "🟡", LESS: "🟡", "not separable": "🟡", NOT_COMPARABLE: "⚪"}  # fmt: skip


def verdicts(scores: pd.DataFrame) -> list[tuple[Cell, Verdict]]:
    """Return every published number with its verdict."""
    return [(cell, of_cell(cell, scores)) for cell in cells()]


def table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row a published number: claim, published, protocol, ours, difference with its interval, verdict."""
    found = pd.DataFrame(
        {
            "claim": cell.id,
            "published": _published(cell),
            "protocol": cell.protocol or "not known",
            "obtained": cell.obtained,
            "ours": None if verdict.ours != verdict.ours else round(verdict.ours, 1),
            "seeds": verdict.seeds or None,
            "verdict": verdict.word,
            "reason": verdict.reason,
        }
        for cell, verdict in verdicts(scores)
    )
    return found.astype({"seeds": "Int64"})


def results(folder: Path = measure.RESULTS) -> dict[str, pd.DataFrame]:
    """Return the kept results that decide on sentences, by their name."""
    found = {"claims": measure.by_seed(measure.read(folder)[0])}
    for name, file in (("negatives", "negatives.csv"), ("placebo", "placebo.csv"), ("courses", courses.FILE)):
        if (folder / file).exists():
            found[name] = pd.read_csv(folder / file)
    return found


def said(folder: Path = measure.RESULTS) -> pd.DataFrame:
    """Return what became of every sentence, one row a sentence, graph and number of negatives."""
    known = results(folder)
    parts = [of_sentence(one, known).assign(sentence=one.id, says=one.says) for one in sentences()]
    found = pd.concat(parts, ignore_index=True)
    return found.astype({"seeds": int, "value": float, "low": float, "high": float})


def write(folder: Path = measure.RESULTS) -> Path:
    """Write the page and return its path."""
    scores, costs = measure.read(folder)
    found = verdicts(scores)
    lines = [
        "# Claims: what was published, what came out here, and why",
        "",
        "Written by `workbench claims report` from the files `claims-*.csv`, `negatives.csv` and `placebo.csv` in this "
        "folder; nothing here is typed by hand.",
        "",
        f"A number is *reproduced* where the {100 * CONFIDENCE:.0f} % interval of ours minus published lies within "
        f"{MARGIN:g} percentage point: two one-sided tests at 5 %. It is *better* or *worse* where the interval lies "
        f"on one side of zero and its middle beyond {MARGIN:g} point, else *undecided*. The interval counts the "
        "spread of our training seeds, which stands for that of the one training that was published as well, and the "
        "spread over splits of both.",
        "",
        "## Published numbers",
        "",
        *_summary(found),
        "",
    ]
    for paper in dict.fromkeys(cell.paper for cell, _ in found):
        mine = [(cell, verdict) for cell, verdict in found if cell.paper == paper]
        lines += [f"### {paper}", "", *_cells(mine), ""]
    lines += ["Where each number was read, and how:", ""]
    for source in dict.fromkeys((cell.source, cell.obtained) for cell, _ in found):
        read = [f"`{cell.id}`" for cell, _ in found if (cell.source, cell.obtained) == source]
        names = read[0] if len(read) == 1 else f"{len(read)} numbers, {read[0]} …"
        lines.append(f"- {source[0]} ({source[1]}): {names}")
    lines += [
        "",
        "## Sentences",
        "",
        "Differences are paired over training seeds, with 95 % t intervals over seeds; that of splits is not counted.",
        "",
        *_sentences(folder),
        *_courses(folder),
        "",
    ]
    lines += ["## Switches between paper and released code", "", *_switches(folder), ""]
    lines += ["## How much is protocol", "", *_lens(folder), ""]
    lines += ["## Cost of a training", "", *_costs(costs), ""]
    lines += ["## Accuracy, beside what needs no training", "", *_runs(scores), ""]
    path = folder / PAGE
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path


def _summary(found: list[tuple[Cell, Verdict]]) -> list[str]:
    counts = pd.Series([verdict.word for _, verdict in found]).value_counts()
    return [f"{len(found)} numbers: " + ", ".join(f"{count} {word}" for word, count in counts.items()) + "."]


def _cells(found: list[tuple[Cell, Verdict]]) -> list[str]:
    head = ["| claim | published | protocol | ours | verdict | why |", "|---|---|---|---|---|---|"]
    rows, away = [], []
    for cell, verdict in found:
        if verdict.word == NOT_RUN and "is not in the workbench" in verdict.reason:
            away.append(cell)
            continue
        ours = "–" if verdict.ours != verdict.ours else f"{verdict.ours:.1f}"
        mark = MARKS.get(verdict.word, "⚪")
        rows.append(f"| `{cell.id}` | {_published(cell)} | {cell.protocol or 'not known'} | {ours} | {mark} "
                    f"{verdict.word} | {verdict.reason} |")  # fmt: skip
    lines = head + rows if rows else []
    if away:
        told = "; ".join(f"{cell.method} on {cell.graph} {_published(cell)}" for cell in away)
        lines += ["", f"Not run here, since the method is not in the workbench: {told}."]
    return lines


def _published(cell: Cell) -> str:
    return f"{cell.value:.2f}".rstrip("0").rstrip(".") + (f" ± {cell.spread:g}" if cell.spread is not None else "")


def _sentences(folder: Path) -> list[str]:
    found = said(folder)
    lines = []
    for one in sentences():
        rows = found[found["sentence"] == one.id]
        lines += [f"**{one.says}** ({one.source}){' ' * bool(one.note)}{one.note}", ""]
        if not len(rows):
            lines += ["Not run here.", ""]
            continue
        lines += ["| graph | held against each other | seeds | value | verdict |", "|---|---|---|---|---|"]
        sign = "÷" if one.column else "−"
        for row in rows.itertuples():
            value = f"{row.value:+.1f} [{row.low:+.1f}, {row.high:+.1f}] {row.unit}"
            if one.column:
                value = "–" if row.value != row.value else f"{row.value:.2f} {row.unit}"
            lines.append(f"| {row.graph} | {row.first} {sign} {row.second} | {row.seeds} | {value} | "
                         f"{MARKS[row.verdict]} {row.verdict} |")  # fmt: skip
        lines.append("")
    return lines


def _courses(folder: Path) -> list[str]:
    if not (folder / courses.FILE).exists():
        return []
    rows = pd.read_csv(folder / courses.FILE).sort_values("epoch")
    lines = ["Courses of these trainings, means over seeds:", "",
             "| graph | method | accuracy untrained, % | in the end, % | best on the way, % | seconds | peak MiB |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for (graph, arm), part in rows.groupby(["graph", "arm"]):
        seeds = part.groupby("seed")
        first, last = seeds["accuracy"].first().mean(), seeds["accuracy"].last().mean()
        lines.append(f"| {graph} | {arm} | {first:.1f} | {last:.1f} | {seeds['accuracy'].max().mean():.1f} | "
                     f"{seeds['seconds'].max().mean():.1f} | {part['peak MiB'].mean():,.0f} |")  # fmt: skip
    return lines


def _switches(folder: Path) -> list[str]:
    if not (folder / switches.FILE).exists():
        return ["Not run here."]
    rows = pd.read_csv(folder / switches.FILE)
    lines = [
        "One change at a time against what the release does, each training with the quick preset, accuracy by "
        f"{rows['protocol'].iloc[0]}, mean difference with its 95 % t interval over training seeds, percentage points. "
        "The last row of each graph is the release against its own untrained encoder.",
        "",
        "| method | graph | switch | seeds | difference | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for row in switches.effects(rows).itertuples():
        lines.append(f"| {row.method} | {row.graph} | {row.switch} | {row.seeds} | {row.difference:+.1f} "
                     f"[{row.low:+.1f}, {row.high:+.1f}] | {row.verdict} |")  # fmt: skip
    return lines


def _runs(scores: pd.DataFrame) -> list[str]:
    if not len(scores):
        return ["Nothing was run yet."]
    means = scores.groupby(["graph", "protocol", "arm", "seed"], as_index=False)["accuracy"].agg(["mean", "std"])
    lines = ["| graph | protocol | arm | seeds | accuracy, % | spread over seeds | spread over splits |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for (graph, protocol, arm), part in means.groupby(["graph", "protocol", "arm"], sort=True):
        seeds = part["mean"].std()
        splits = (part["std"] ** 2).mean() ** 0.5
        lines.append(f"| {graph} | {protocol} | {arm} | {len(part)} | {part['mean'].mean():.1f} | "
                     f"{_number(seeds)} | {_number(splits)} |")  # fmt: skip
    return lines


def _lens(folder: Path) -> list[str]:
    if not (folder / measure.LENS).exists():
        return ["Not run here."]
    rows = pd.read_csv(folder / measure.LENS, keep_default_na=False, na_values=[""]).fillna({"flawed": ""})
    lines = [
        "The same embeddings, scored in every way that has a name here, on at most "
        f"{rows['splits'].max()} splits; **bold** is how the protocol treats rows."
    ]
    for (method, graph), part in rows.groupby(["method", "graph"], sort=False):
        lines += ["", f"`{method}/{graph}`, training seeds: {part['training seeds'].max()}", "",
                  "| protocol | probe | rows divided by their norm, % | rows as they are, % |",
                  "|---|---|---|---|"]  # fmt: skip
        for name, both in part.groupby("protocol", sort=False):
            told = {row.normalised: f"**{row.accuracy:.1f}**" if row.own else f"{row.accuracy:.1f}"
                    for row in both.itertuples()}  # fmt: skip
            flaw = " (flawed)" if both["flawed"].iloc[0] else ""
            lines.append(f"| {name}{flaw} | {both['solver'].iloc[0]} | {told[True]} | {told[False]} |")
    flaws = rows[rows["flawed"] != ""].drop_duplicates("protocol")
    return [*lines, "", *(f"- `{row.protocol}` is flawed: {row.flawed}." for row in flaws.itertuples())]


def _costs(costs: pd.DataFrame) -> list[str]:
    lines = [
        "Released presets. The machine did other work meanwhile, which only adds to the seconds: the least is nearest "
        "to what a training takes.",
        "",
        "| method | graph | seeds finished | epochs | seconds, least – most | peak MiB | device |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in trainings():
        part = costs[(costs["arm"] == one.method) & (costs["graph"] == one.graph)]
        done = part[part["state"] == measure.FINISHED]
        count = f"{len(done)} of {one.seeds}"
        if not len(part):
            lines.append(f"| {one.method} | {one.graph} | {count} | – | not run here | – | – |")
        for device, same in done.groupby("device"):
            epochs = " / ".join(f"{number:,}" for number in sorted(set(same["epochs"])))
            lines.append(f"| {one.method} | {one.graph} | {count} | {epochs} | {same['seconds'].min():,.0f} – "
                         f"{same['seconds'].max():,.0f} | {same['peak MiB'].mean():,.0f} | {device} |")  # fmt: skip
        for row in part[part["state"] == measure.UNFINISHED].to_dict("records"):
            lines.append(f"| {one.method} | {one.graph} | seed {row['seed']} did not finish | {row['epochs']:,} of "
                         f"{row['asked']:,} | {row['seconds']:,.0f} up to there | {row['peak MiB']:,.0f} | "
                         f"{row['device']} |")  # fmt: skip
    return lines


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.2f}"
