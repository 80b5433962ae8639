"""The leaderboard: what each training gains over the best of what trains nothing, at what cost, how surely."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.atomic import whole
from workbench.errors import unknown
from workbench.studies import results, verdicts
from workbench.studies.report import markdown, number
from workbench.studies.study import Condition, Study, load

NAME = "leaderboard"
PAGE = "leaderboard.md"
CHOICE, ADVICE, OURS = "which-method", "which-method.md", "few-negatives"
RULED, PLACEBO = "few-rules", "few-rules, permuted"
PICTURES = {
    "leaderboard": "Gain of each training over the best baseline of each graph",
    "leaderboard-cost": "Accuracy against seconds on one graph",
    "leaderboard-intervals": "Gains with their intervals over training seeds",
}
COLUMNS = ["data", "name", "kind", "preset", "accuracy", "macro F1", "spread over splits", "training seeds"]
COLUMNS += ["spread over seeds", "seconds", "peak MiB", "protocol", "solver", "floor", "over floor", "low", "high"]
COLUMNS += ["verdict", "over untrained", "call"]


def board(rows: pd.DataFrame, protocol: str | None = None, study: Study | None = None) -> pd.DataFrame:
    """Return what every training came to beside the best of what trains nothing on its graph.

    Args:
        rows: the long table of the study. protocol: whose scores count, of graphs that have none by it none; None for
            the study's first. study: None for the one called "leaderboard".

    Returns:
        One row per graph and baseline, untrained encoder or training, as `workbench.compare` does, and further: data;
        preset; floor, the baseline with the highest accuracy there, raw attributes among them; over floor, accuracy
        minus the floor's on the same splits, percentage points, with low and high, the ends of its 95 % t interval over
        training seeds (nan for one seed); verdict, what that interval means, see `verdicts.said`; over untrained,
        accuracy minus that of the same encoder before training, paired over the seeds; call, the Python that trains it.

    The floor is picked by its mean over the test parts, which favours it. A UserError says that the protocol is none of
    the study's.
    """
    study = study or load(NAME)
    protocol = protocol or study.protocols[0]
    if protocol not in study.protocols:
        raise unknown("protocol", protocol, study.protocols, f"of study {study.name!r}")
    known = {condition.name: condition for condition in study.conditions}
    lines: list[dict[str, Any]] = []
    order = {name: place for place, name in enumerate(study.data)}
    scored = rows[rows["protocol"] == protocol]
    for data in sorted(scored["data"].unique(), key=lambda name: order.get(name, len(order))):
        part = scored[scored["data"] == data]
        trainings = results.wide(part, protocol)
        floors = trainings[trainings["kind"] == "baseline"].set_index("condition")["accuracy"]
        floor = str(floors.idxmax()) if len(floors) else ""
        pairs = [(name, floor) for name in trainings.loc[trainings["kind"] == "trained", "condition"].unique()]
        sure = verdicts.judged(verdicts.paired(part, pairs, protocol)).set_index("first")[["low", "high", "verdict"]]
        for (name, kind), group in trainings.groupby(["condition", "kind"], sort=False):
            mean, seeds = float(group["accuracy"].mean()), int(group["seed"].notna().sum())
            condition = known.get(name)
            if kind == "trained" and condition is None:
                continue  # of a condition that the study no longer has
            line = {"data": data, "name": name, "kind": kind, "accuracy": mean, "training seeds": seeds}
            line |= {"macro F1": group["macro_f1"].mean(), "seconds": group["seconds"].mean()}
            line |= {"spread over splits": np.sqrt((group["accuracy_std"] ** 2).mean())}
            line |= {"spread over seeds": group["accuracy"].std(), "peak MiB": group["peak_mib"].mean()}
            line |= {"preset": group["preset"].iloc[0], "protocol": protocol, "solver": "fast", "floor": floor}
            line["over floor"] = mean - floors[floor] if floor else np.nan
            if kind == "trained" and condition is not None:
                line |= {"verdict": verdicts.TOO_FEW} | (sure.loc[name].to_dict() if name in sure.index else {})
                starts = trainings[trainings["condition"] == f"untrained {condition.method}"].set_index("seed")
                line["over untrained"] = (group.set_index("seed")["accuracy"] - starts["accuracy"]).mean()
                line["call"] = call(condition, str(data))
            lines.append(line)
    return pd.DataFrame(lines, columns=COLUMNS)


def call(condition: Condition, data: str) -> str:
    """Return the Python that makes a training with seed 0."""
    plain = {name: value for name, value in condition.overrides if "." not in name}
    dotted = {name: value for name, value in condition.overrides if "." in name}
    options = "".join(f", {name}={value!r}" for name, value in plain.items()) + (f", **{dotted!r}" if dotted else "")
    fitted = f"run = wb.fit({condition.method!r}, graph, preset={condition.preset!r}, seed=0{options})"
    return f"graph = wb.load_graph({data!r})\n{fitted}\nwb.evaluate(run, graph)"


def gains(board: pd.DataFrame) -> pd.DataFrame:
    """Return the gains of a board that have an interval, as `plots.difference_chart` draws them."""
    sure = board[(board["kind"] == "trained") & board["low"].notna()]
    named = {"name": "first", "floor": "second", "over floor": "difference", "training seeds": "seeds"}
    return sure.rename(columns=named)[verdicts.DIFFERENCE]


def unfinished(rows: pd.DataFrame) -> pd.DataFrame:
    """Return trainings that did not finish: data, condition, seed, epochs, asked_epochs, seconds."""
    costs = results.costs(rows)
    return costs.loc[costs["finished"] == 0, ["data", "condition", "seed", "epochs", "asked_epochs", "seconds"]]


def first_words(table: pd.DataFrame) -> str:
    """Say which methods beat the best training-free floor, on which graphs, by how much, at what cost, how surely."""
    if table.empty:
        return "Nothing was measured yet."
    parts, none, few = [], [], []
    for data, part in table.groupby("data", sort=False):
        floor = part.loc[part["kind"] == "baseline"].nlargest(1, "accuracy")
        beside = f"{data} ({floor['name'].iloc[0]}, {floor['accuracy'].iloc[0]:.1f} %)" if len(floor) else str(data)
        trained = part[part["kind"] == "trained"]
        judged = trained[trained["training seeds"] >= verdicts.FEWEST]
        ahead = judged[judged["low"] > 0].sort_values("over floor", ascending=False)
        if judged.empty:
            above = trained[trained["over floor"] > 0].sort_values("over floor", ascending=False)
            names = ", ".join(f"{one['name']} by {one['over floor']:.1f}" for one in above.to_dict("records"))
            names = names or "none ends above it"
            few.append(f"{beside}: {names}")
        elif ahead.empty:
            none.append(f"{beside}, of {len(judged)}")
        else:
            gains = ", ".join(
                f"**{one['name']}** by {one['over floor']:.1f} [{one['low']:.1f}, {one['high']:.1f}] in "
                f"{one['seconds']:,.0f} s"
                for one in ahead.to_dict("records")
            )
            parts.append(f"on {beside} {gains}, {len(ahead)} of {len(judged)} trainings")
    words = []
    if parts:
        words.append(
            "Above the best of what trains nothing, with the whole interval over training seeds, end "
            + "; ".join(parts)
            + "."
        )
    if none:
        words.append(f"None does on {'; '.join(none)}.")
    if few:
        seeds = f"Fewer than {verdicts.FEWEST} seeds, which decide nothing, but end above it"
        words.append(f"{seeds} on {'; on '.join(few)}.")
    return " ".join(words) + (
        " Numbers are percentage points of accuracy with 95 % t intervals, paired with the floor on the same splits; "
        "they are not corrected for being many, and the floor is the one that does best on the test parts."
    )


def write(folder: Path | None = None) -> Path:
    """Write the page of the leaderboard from its kept results and return its path."""
    folder = folder or results.FOLDER
    rows, study = results.read(NAME, folder), load(NAME)
    table = board(rows, study=study)
    others = [name for name in study.protocols[1:] if (rows["protocol"] == name).any()]
    sections = [
        "# Leaderboard: what training gains over what trains nothing, and what it costs",
        first_words(table),
        *(f"![{told}](../pictures/{name}.png)" for name, told in PICTURES.items()),
        "Written by `workbench study report leaderboard` from [leaderboard.csv](leaderboard.csv), which "
        "`workbench study run leaderboard GRAPH --seeds 5 --out docs/results/leaderboard.csv` measures. "
        f"Accuracy is by `{study.protocols[0]}`. `quick` is one setting for a small CPU, ours, not the authors'; what "
        "is called *released* has the authors'. Seconds and memory are of the training alone, on the device of the "
        "table, beside other work.",
    ]
    for data, part in table.groupby("data", sort=False):
        sections += [f"## {data}", _of_graph(part, rows[rows["data"] == data], others)]
    ended = unfinished(rows)
    if len(ended):
        lines = [
            (row.data, row.condition, row.seed, f"{row.epochs:,} of {row.asked_epochs:,.0f}", f"{row.seconds:,.0f}")
            for row in ended.itertuples()
        ]
        sections += ["## What did not finish", markdown("graph | training | seed | epochs | seconds", lines)]
    missing = _missing(rows, study)
    sections += ["## Not run", missing] if missing else []
    return _written(folder / PAGE, sections)


def advise(folder: Path | None = None) -> Path:
    """Write, from the kept results of both studies, what to use on each graph and return the page's path."""
    folder = folder or results.FOLDER
    first, second = load(NAME), load(CHOICE)
    conditions = {condition.name: condition for condition in (*second.conditions, *first.conditions)}
    both = replace(first, data=(*first.data, *second.data), conditions=tuple(conditions.values()))
    rows = pd.concat([results.read(name, folder) for name in (NAME, CHOICE)], ignore_index=True).assign(study=NAME)
    lines, stands = list[tuple[Any, ...]](), dict[str, list[str]]()
    for data, part in board(rows, study=both).groupby("data", sort=False):
        part = part[part["name"] != PLACEBO]
        trained = part[part["kind"] == "trained"].sort_values("accuracy", ascending=False, kind="stable")
        ahead = trained[trained["low"] > 0]
        own, others = trained[trained["name"] == OURS], trained[~trained["name"].isin((OURS, RULED))]
        floor = part[part["kind"] == "baseline"].nlargest(1, "accuracy").iloc[0]
        if len(own):
            low, high = own[["low", "high"]].iloc[0]
            how = "above it" if low > 0 else "below it" if high < 0 else "level with it"
            stands.setdefault(how if low == low else "undecided", []).append(str(data))
        added = own["over untrained"].iloc[0] if len(own) else np.nan
        lines.append(
            (
                data,
                f"{floor['name']}, {floor['accuracy']:.1f}",
                own["training seeds"].iloc[0] if len(own) else "–",
                *_gained(own),
                f"{added:+.1f}" if added == added else "–",
                others["name"].iloc[0] if len(others) else "–",
                *_gained(others),
                f"train {ahead['name'].iloc[0]}" if len(ahead) else f"train nothing: {floor['name']}",
            )
        )
    heads = f"graph | best that trains nothing, % | seeds | {OURS} over it | seconds | over its untrained encoder"
    heads += " | best of all others | over it | seconds | so"
    told = "; ".join(f"{how} on {', '.join(graphs)}" for how, graphs in stands.items())
    sections = [
        "# Which method?",
        f"Held against the best of what trains nothing, {OURS} ends {told}. What was to be shown stands in the "
        "[protocol](../which-method-protocol.md), which was there first, and what else was tried in the "
        "[log of attempts](../which-method-attempts.md).",
        "A gain is in percentage points of accuracy by `random-10-10-80`, with a 95 % t interval over training seeds, "
        "paired with the baseline on the same splits; one without an interval has fewer than "
        f"{verdicts.FEWEST} seeds and decides nothing. *So* names the training with the highest accuracy among those "
        "whose whole interval is above the baseline, and the baseline where there is none. The baseline is the one "
        "that does best on the test parts, which favours it.",
        markdown(heads, lines),
        *_of_rules(rows, both.protocols[0]),
        f"Written by `workbench study report` from [{NAME}.csv]({NAME}.csv) and [{CHOICE}.csv]({CHOICE}.csv); all "
        "trainings and their memory stand on the [leaderboard](leaderboard.md).",
    ]
    return _written(folder / ADVICE, sections)


def _of_rules(rows: pd.DataFrame, protocol: str) -> list[str]:
    """Return the section on what rules add to few-negatives, and what the same rules at other nodes do."""
    pairs = [(RULED, PLACEBO), (RULED, OURS), (PLACEBO, OURS), (RULED, f"untrained {RULED}"), (RULED, "propagated")]
    found = verdicts.paired(rows, pairs, protocol)
    if found.empty:
        return []
    told = [f"{row['difference']:+.1f}{_interval(row)}" for row in found.to_dict("records")]
    table = found.assign(told=told).pivot(index=["data", "seeds"], columns=["first", "second"], values="told")
    lines = [(*index, *row) for index, row in table.reindex(columns=pairs).astype(object).fillna("–").iterrows()]
    words = f"`{RULED}` is `{OURS}` with what eleven named rules say of each node as one more distance beside its "
    words += "hops; rules and settings are the same on every graph. Its placebo has the same values at other nodes, so "
    words += "that rules help only where the first column is above zero. Its untrained encoder sees the rules, too."
    heads = " | ".join(["graph", "seeds", *(f"{first} over {second}" for first, second in pairs)])
    return ["## What rules add", words, markdown(heads, lines)]


def _written(path: Path, sections: list[str]) -> Path:
    """Write a page of sections and return its path."""
    with whole(path) as draft:
        draft.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    return path


def _gained(trained: pd.DataFrame) -> tuple[str, str]:
    """Return the gain over the floor of the first of some rows of a board, and its seconds; of none dashes."""
    if trained.empty:
        return "–", "–"
    row = trained.iloc[0]
    return f"{row['over floor']:+.1f}{_interval(row)}", f"{row['seconds']:,.0f}"


def _interval(row: Any) -> str:
    return f" [{row['low']:+.1f}, {row['high']:+.1f}]" if row["low"] == row["low"] else ""


def _of_graph(part: pd.DataFrame, rows: pd.DataFrame, others: list[str]) -> str:
    """Return the table of one graph, the best first; untrained encoders stand beside their training."""
    scored = {name: results.wide(rows[rows["protocol"] == name], name) for name in others}
    means = {name: table.groupby("condition")["accuracy"].mean() for name, table in scored.items() if len(table)}
    lines = []
    shown = part[part["kind"] != "untrained"].sort_values("accuracy", ascending=False, kind="stable")
    for row in shown.to_dict("records"):
        trained = row["kind"] == "trained"
        lines.append(
            (
                row["name"] if trained else f"*{row['name']}*",
                f"`{row['preset']}`" if trained else "–",
                row["training seeds"] or "–",
                f"{row['accuracy']:.1f} ± {row['spread over splits']:.1f}",
                f"{row['over floor']:+.1f}{_interval(row)}",
                f"{row['over untrained']:+.1f}" if row["over untrained"] == row["over untrained"] else "–",
                f"{row['seconds']:,.0f}" if trained else "–",
                f"{row['peak MiB']:,.0f}" if trained else "–",
                *(number(by.get(row["name"], np.nan)) for by in means.values()),
            )
        )
    heads = "training | preset | seeds | accuracy, % ± over splits | over the best floor | over its untrained encoder"
    return markdown(" | ".join([heads, "seconds", "peak MiB", *(f"`{name}`, %" for name in means)]), lines)


def _missing(rows: pd.DataFrame, study: Study) -> str:
    """Say of which conditions of the study the long table has no row, finished or not."""
    there = set(zip(rows["data"], rows["condition"], strict=True))
    lines = []
    for data in study.data:
        away = [c.name for c in study.conditions if data in (c.data or [data]) and (data, c.name) not in there]
        if away:
            lines.append(f"- {data}: {'; '.join(away)}")
    return "\n".join(lines)
