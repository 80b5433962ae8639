"""Experiments: a claim of a paper tested at a size that takes minutes, its threshold and control written down first.

A system has two files here. The TOML says, before anything is run, which quantities are held against each other, by how
much one must lead, and what the control is; the function of one seed in the module beside it trains and returns each
quantity by its name. Quantities need not be accuracies: an experiment measures what the paper is about.
"""

import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.atomic import whole
from workbench.errors import UserError, nearest, unknown
from workbench.evaluation.statistics import Interval, mean_interval
from workbench.registry import Registry
from workbench.studies.results import FOLDER

# Each is called with a seed and returns what was measured, by the name of the quantity.
EXPERIMENTS: Registry[Callable[[int], Mapping[str, float]]] = Registry("experiment", "workbench.studies.experiments")
names = EXPERIMENTS.names
COLUMNS = ["experiment", "seed", "quantity", "value", "seconds"]
REPRODUCED, CONTRADICTED, NOT_SEPARABLE = "reproduced", "contradicted", "not separable at this size"
SEEDS, FEWEST = 5, 3
RULES = """Written by `workbench experiments report` from what `workbench experiments run` measured. Each claim, its
threshold and its control were written into `workbench/studies/experiments/` before anything was run. *Reproduced* means
that the 95 % interval of the paired difference over seeds lies above the threshold, *contradicted* that it lies below.
These are small encoders on small data: what fails here may hold at the size of the paper, and what holds may not.
"""
GRID = """
Thresholds of claims that had been run before, with one rate for all arms, are what they were. Since then each arm has
the temperature and rate that a grid gave it, by three draws that are no seeds where its section doesn't say one: by one
draw two controls had got a rate at which they fail with other seeds, and three claims seemed reproduced that are not.
*Raw* inputs are what the same probe makes of rows that nothing was trained on; an arm below them has lost what they
hold. A number that no seed changes stands alone.
"""
STAND = """
Single values of the first draw of labels were known when these claims were written, and that images are shown at fresh
places was chosen after a look at scores like these.

The task, but where a section says otherwise: scikit-learn's digits, each at a random place of a canvas of 12 x 12
pixels. A vision transformer of four blocks and width 64 learned to tell 0 to 4 apart. It is adapted to 5 to 9 by ten
labels of each in 120 steps, each of which shows them at fresh places, and all other images of 5 to 9 are scored. A seed
is a draw of these labels; within one, all arms have the same base, labels and order of batches. Each arm has the rate
of four that was best on a quarter of the labels held out, over two draws that are no seed: the few images by which
rates were chosen are scored, too. *Trained* is without the classifier, *stored bytes* are what is needed beside the
base, *FLOPs* are for one image, *CPU seconds* are of a training while other work ran on the same two cores; seconds per
seed are of the last call, which found most trainings stored. Probe, LoRA and full tuning, the same from an encoder
never trained, and classifiers of bare pixels stand in each table; where the labels are the same, so are the trainings.
"""
# Each page of results by its name, and how it begins; what was measured is kept in a CSV of that name beside it.
PAGES = {
    "objectives": "# Objectives and pairs: what holds at a size that takes minutes\n\n" + RULES + GRID,
    "adaptation": "# Adapting a pretrained encoder: what its schemes are worth in minutes\n\n" + RULES + STAND,
}
ARM = " | "  # between an arm and what was measured of it, in the name of a quantity


@dataclass(frozen=True)
class Claim:
    """What is claimed: `first` minus `second`, paired by seeds, is above `least`.

    Attributes:
        says: the claim, a sentence. first, second: quantities; without a second the first alone is above `least`.
        least: in the unit of the quantities. control: whether this is what a control does, not what the paper says.
    """

    says: str
    first: str
    second: str | None = None
    least: float = 0.0
    control: bool = False


@dataclass(frozen=True)
class Experiment:
    """What the file of an experiment says.

    Attributes:
        name, title: of the system. source: the paper. data: what it is trained on, in words.
        unit: of its quantities. claims: see `Claim`. not_claimed: what of the paper is out of reach here.
        supervised: whether anything of it learns from labels. page: of `PAGES`. seeds: how many are kept.
    """

    name: str
    title: str
    source: str
    data: str
    unit: str
    claims: tuple[Claim, ...]
    not_claimed: str = ""
    supervised: bool = False
    page: str = "objectives"
    seeds: int = SEEDS


def load(name: str) -> Experiment:
    """Return what the file of an experiment says; a UserError names the nearest where there is none."""
    if name not in names():
        raise unknown("experiment", name, names())
    written = tomllib.loads(EXPERIMENTS.file(name).with_suffix(".toml").read_text(encoding="utf-8"))
    return Experiment(name, claims=tuple(Claim(**claim) for claim in written.pop("claims")), **written)


def run(which: Iterable[str], seeds: int | None = None, told: Callable[[str], object] | None = None) -> pd.DataFrame:
    """Run experiments by their names, each with seeds 0, 1, ..., and return what was measured.

    Args:
        which: names. seeds: how many; None for what the file of each says.
        told: called with a sentence after each seed.

    Returns:
        One row per seed and quantity: experiment, seed, quantity, value, seconds (of that seed's call).
    """
    if seeds is not None and seeds < 1:
        raise UserError(f"an experiment takes at least 1 seed, not {seeds}", parameter="seeds")
    rows = []
    for name in which:
        call = EXPERIMENTS.get(name)
        for seed in range(seeds or load(name).seeds):
            began = time.perf_counter()
            measured = call(seed)
            seconds = time.perf_counter() - began
            rows += [(name, seed, quantity, float(value), seconds) for quantity, value in measured.items()]
            if told is not None:
                told(f"{name}, seed {seed}: {seconds:.0f} s")
    return pd.DataFrame(rows, columns=COLUMNS)


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each claim of the experiments in `rows` with its verdict.

    "reproduced" where the 95 % t interval of the paired difference over seeds lies above the threshold, "contradicted"
    where it lies below, else "not separable at this size"; fewer than three seeds have no verdict.

    Args:
        rows: as `run` returns them.

    Returns:
        One row a claim: experiment, says, control, seeds, difference, low, high, least, unit, verdict.
    """
    lines = []
    for name in rows["experiment"].drop_duplicates():
        experiment = load(name)
        table = rows[rows["experiment"] == name].pivot(index="seed", columns="quantity", values="value")
        for claim in experiment.claims:
            missing = [one for one in (claim.first, claim.second) if one is not None and one not in table]
            if missing:
                near = nearest(missing[0], table.columns) or f"{table.columns[0]}, ..."
                raise UserError(f"experiment {name!r} measured no {missing[0]!r}, but {near}; run it again")
            lead = table[claim.first] - (0 if claim.second is None else table[claim.second])
            values = lead.dropna().tolist()
            interval = mean_interval(values) if len(values) > 1 else Interval(lead.mean(), nan, nan, len(values), 0.95)
            found: dict[str, Any] = {
                "seeds": interval.count,
                "difference": interval.mean,
                "low": interval.low,
                "high": interval.high,
            }
            found |= {"least": claim.least, "unit": experiment.unit, "verdict": _said(interval, claim.least)}
            lines.append({"experiment": name, "says": claim.says, "control": claim.control, **found})
    return pd.DataFrame(lines)


def _said(interval: Interval, least: float) -> str:
    if interval.count < FEWEST:
        return f"fewer than {FEWEST} seeds"
    return REPRODUCED if interval.low > least else CONTRADICTED if interval.high < least else NOT_SEPARABLE


def said(claims: pd.DataFrame) -> pd.DataFrame:
    """Return claims with their verdicts as texts: experiment, claim, difference (95 %), needed, verdict.

    Args:
        claims: as `judged` returns them.
    """
    rounded = claims.round({"difference": 9, "low": 9, "high": 9})  # else what is 0 shows what arithmetic left of it
    spans = [f"{one.difference:.3g} [{one.low:.3g}, {one.high:.3g}], {one.seeds} seeds" for one in rounded.itertuples()]
    texts = {"claim": claims["says"].where(~claims["control"], "control: " + claims["says"])}
    texts |= {"difference (95 %)": spans, "needed": [f"above {least:g}" for least in claims["least"]]}
    return claims[["experiment"]].assign(**texts, verdict=claims["verdict"])


def page(rows: pd.DataFrame, name: str = "objectives") -> str:
    """Return a page in Markdown of what was measured, one section per experiment; `rows` as `run` returns them."""
    lines = [PAGES[name]]
    claims = judged(rows)
    for of in rows["experiment"].drop_duplicates():
        lines += [*_section(load(of), rows[rows["experiment"] == of], claims[claims["experiment"] == of]), ""]
    return "\n".join(lines)


def _section(experiment: Experiment, rows: pd.DataFrame, claims: pd.DataFrame) -> list[str]:
    """Return the section of one experiment."""
    group = " Learns from labels." if experiment.supervised else ""
    seconds = rows.drop_duplicates("seed")["seconds"].mean()
    lines = [f"## {experiment.title}", ""]
    lines += [f"{experiment.source}. On {experiment.data}; {experiment.unit}.{group} {seconds:.0f} s per seed.", ""]
    lines += ["| claim | difference (95 %) | needed | verdict |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(claim)} |" for claim in said(claims).drop(columns="experiment").values]
    lines += [line for part in _measured(rows) for line in ("", *part)]
    return lines + (["", f"Not claimed here: {experiment.not_claimed}"] if experiment.not_claimed else [])


def _measured(rows: pd.DataFrame) -> list[list[str]]:
    """Return the tables of what was measured: a line per arm with its measures, and one per quantity without an arm."""
    arms, alone, measures = dict[str, dict[str, str]](), dict[str, str](), dict[str, None]()
    for quantity, line in rows.groupby("quantity", sort=False)["value"].agg(["mean", "std"]).iterrows():
        arm, between, measure = str(quantity).partition(ARM)
        if between:
            arms.setdefault(arm, {})[measure] = _number(line["mean"], line["std"])
            measures[measure] = None
        else:
            alone[arm] = _number(line["mean"], line["std"])
    over, tables = "mean ± deviation over seeds", []
    if arms:
        tables.append([f"| {over} | {' | '.join(measures)} |", "|---" * (1 + len(measures)) + "|"])
        tables[-1] += [f"| {arm} | {' | '.join(of.get(name, '') for name in measures)} |" for arm, of in arms.items()]
    if alone:
        tables.append([f"| measured | {over} |", "|---|---|"])
        tables[-1] += [f"| {quantity} | {value} |" for quantity, value in alone.items()]
    return tables


def _number(mean: float, deviation: float) -> str:
    """Return a mean with its deviation in three digits, large ones whole, what never differs alone."""
    shape, spread = (".3g", ".2g") if abs(mean) < 1000 else (",.0f", ",.0f")
    return f"{mean:{shape}} ± {deviation:{spread}}" if deviation else f"{mean:{shape}}"


def keep(rows: pd.DataFrame, file: Path) -> None:
    """Put what was measured into a CSV, in place of what it holds of the same experiments."""
    if file.exists():
        before = pd.read_csv(file)
        rows = pd.concat([before[~before["experiment"].isin(rows["experiment"].unique())], rows])
    with whole(file) as draft:
        rows.sort_values("experiment", kind="stable").to_csv(draft, index=False, float_format="%.10g")


def read(folder: Path = FOLDER, page: str = "objectives") -> pd.DataFrame:
    """Return what a folder of results keeps for a page, as `run` returns it; a UserError where it keeps nothing."""
    kept = folder / f"{page}.csv"
    if not kept.exists():
        of = " ".join(name for name in names() if load(name).page == page)
        raise UserError(f"nothing is kept in {kept}; workbench experiments run {of} --out {kept} runs them")
    return pd.read_csv(kept)


def write(folder: Path) -> list[Path]:
    """Write each page whose experiments a folder of results keeps, and return them; a UserError where it keeps none."""
    kept = [name for name in PAGES if (folder / f"{name}.csv").exists()]
    written = [folder / f"{name}.md" for name in kept or [*PAGES][:1]]
    for file in written:
        text = page(read(folder, file.stem), file.stem)
        with whole(file) as draft:
            draft.write_text(text, encoding="utf-8")
    return written
