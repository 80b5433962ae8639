"""Our scores of what was published: which trainings they take, and what is kept of them under docs/results."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock
from torch_geometric.data import Data
from tqdm.auto import tqdm

from workbench import evaluation
from workbench.datasets import load_graph
from workbench.errors import UserError
from workbench.methods import METHODS, configure
from workbench.studies import sweep
from workbench.studies.claims.cells import Cell, Training
from workbench.training import store as runs
from workbench.training.fit import untrained
from workbench.training.run import Run

RESULTS = Path(__file__).parents[3] / "docs" / "results"
SCORES, COST = "claims-scores.csv", "claims-cost.csv"
SPLITS, LARGE, LARGE_SPLITS = 10, 10_000, 3  # splits, and those of a graph with so many nodes or more
LOCK = ".claims.lock"  # of the folder of results
LENS, LENS_SPLITS = "claims-lens.csv", 3  # each is a long training of a layer
RAW, PROPAGATED = "raw", "propagated"
KEYS = ["arm", "graph", "preset", "protocol", "seed", "split"]
COSTS = ["arm", "graph", "preset", "seed", "state", "epochs", "asked", "seconds", "peak MiB", "device"]
FINISHED, UNFINISHED = "finished", "unfinished"


def protocols_of(graph: Data) -> list[str]:
    """Return the protocols by which claims are scored that a graph allows."""
    public = all(graph.get(f"{part}_mask") is not None for part in ("train", "val", "test"))
    return ["random-10-10-80", "random-10-90", *(["public"] if public else [])]


def scored(run: Run, graph: Data, protocols: Iterable[str]) -> pd.DataFrame:
    """Score a run and its untrained encoder, one row a protocol and split."""
    arms = {run.method: run, f"{run.method} untrained": untrained(run, graph)}
    return pd.concat([_rows(arm, one, graph, protocol, run.preset, run.seed)
                      for arm, one in arms.items() for protocol in protocols])  # fmt: skip


def floors(graph: Data, protocols: Iterable[str]) -> pd.DataFrame:
    """Score what needs no training: raw attributes and attributes averaged over two hops."""
    matrices = {RAW: graph.x, PROPAGATED: evaluation.propagated(graph)}
    return pd.concat(
        [_rows(arm, one, graph, protocol, "", 0) for arm, one in matrices.items() for protocol in protocols]
    )


def _rows(arm: str, scored: Any, graph: Data, protocol: str, preset: str, seed: int) -> pd.DataFrame:
    splits = SPLITS if graph.num_nodes < LARGE else LARGE_SPLITS
    found = evaluation.evaluate(scored, graph, protocol, splits=splits, solver="fast", progress=False)
    table = found.per_split[["accuracy", "macro_f1"]].reset_index(names="split")
    facts = {"arm": arm, "graph": str(graph.name), "preset": preset, "protocol": protocol, "seed": seed}
    return table.assign(**facts, solver=found.solver)[[*KEYS, "accuracy", "macro_f1", "solver"]]


def cost(run: Run) -> dict[str, Any]:
    """Return what a training cost."""
    return {
        "arm": run.method,
        "graph": run.graph,
        "preset": run.preset,
        "seed": run.seed,
        "state": FINISHED,
        "epochs": run.epochs,
        "asked": run.config.epochs,
        "seconds": run.seconds,
        "peak MiB": run.peak_mib,
        "device": run.device,
    }


def stored(store: str | Path | None = None) -> list[Run]:
    """Return the complete runs in a store that were trained by the released preset of their graph as it stands."""
    found = []
    for folder in runs.table(store)["folder"]:
        run = runs.load(folder)
        if run.preset == f"released/{run.graph}" and run.complete:
            found.append(run)
    return found


def collect(
    store: str | Path | None = None, folder: Path = RESULTS, progress: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every training of a released preset in a store and add it to the results.

    What is in the results already is not measured again.

    Args:
        store: folder of runs.
        folder: where the results are kept, as claims-scores.csv (one row an arm, protocol, seed and split) and
            claims-cost.csv (one row a training).
        progress: show a bar over the trainings.

    Returns:
        Both tables as they are kept now.
    """
    for run in tqdm(stored(store), desc="claims", unit="training", disable=not progress):
        graph, scores, parts = load_graph(run.graph), read(folder)[0], []
        wanted = protocols_of(graph)
        done = set(_of(scores, run.method, run.graph, run.preset, run.seed)["protocol"])
        if missing := [one for one in wanted if one not in done]:
            parts.append(scored(run, graph, missing))
        below = set(_of(scores, RAW, run.graph, "", 0)["protocol"])
        if missing := [one for one in wanted if one not in below]:
            parts.append(floors(graph, missing))
        _add(folder, parts, [cost(run)])
    return read(folder)


def note(rows: pd.DataFrame, folder: Path = RESULTS) -> None:
    """Add the trainings of a sweep that did not finish to the costs, with the epochs and seconds that they got.

    Args:
        rows: what `workbench.studies.sweep.run` returned.
        folder: where the results are kept.
    """
    found = []
    for row in rows[rows["state"].str.startswith(sweep.UNFINISHED) & (rows["epochs"] > 0)].to_dict("records"):
        asked = configure(row["method"], row["preset"], row["graph"], {})[1].epochs
        facts = {name: row[name] for name in COSTS if name in row}
        found.append({**facts, "arm": row["method"], "state": UNFINISHED, "asked": asked})
    _add(folder, [], found)


def _add(folder: Path, parts: list[pd.DataFrame], rows: list[dict[str, Any]]) -> None:
    """Add scores and costs to what is kept; another process may do the same at this moment."""
    if not folder.is_dir():
        raise UserError(f"results are kept in {folder}, which is no folder")
    with FileLock(folder / LOCK):
        scores, costs = read(folder)
        scores = pd.concat([scores, *parts], ignore_index=True).drop_duplicates(KEYS)
        for row in rows:
            before = _of(costs, row["arm"], row["graph"], row["preset"], row["seed"])
            if FINISHED not in set(before["state"]):
                costs = pd.concat([costs.drop(before.index), pd.DataFrame([row])[COSTS]], ignore_index=True)
        write(scores, costs, folder)


def _of(table: pd.DataFrame, arm: str, graph: str, preset: str, seed: int) -> pd.DataFrame:
    return table[
        (table["arm"] == arm) & (table["graph"] == graph) & (table["preset"] == preset) & (table["seed"] == seed)
    ]


def read(folder: Path = RESULTS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the kept scores and costs, empty tables where there are none."""
    columns = [*KEYS, "accuracy", "macro_f1", "solver"], COSTS
    found = []
    for name, wanted in zip((SCORES, COST), columns, strict=True):
        file = folder / name
        table = pd.read_csv(file, keep_default_na=False) if file.exists() else pd.DataFrame(columns=wanted)
        if missing := [column for column in wanted if column not in table]:
            raise UserError(f"{file} has no column {missing[0]!r}; workbench claims run writes it anew elsewhere")
        numbers: dict[str, type] = {name: int for name in ("seed", "split", "epochs", "asked") if name in wanted}
        numbers |= {name: float for name in ("accuracy", "macro_f1", "seconds", "peak MiB") if name in wanted}
        found.append(table.astype(numbers))
    return found[0], found[1]


def write(scores: pd.DataFrame, costs: pd.DataFrame, folder: Path = RESULTS) -> None:
    """Keep scores and costs, sorted, so that the same results are the same file."""
    for name, table, keys in ((SCORES, scores, KEYS), (COST, costs[COSTS], COSTS[:4])):
        draft = folder / f".{name}.part"
        table.sort_values(keys).to_csv(draft, index=False, float_format="%.6g")
        draft.replace(folder / name)


def keep(rows: pd.DataFrame, file: Path, of: Sequence[str], keys: Sequence[str]) -> None:
    """Write the rows of a study beside those that a file has of others.

    Args:
        rows: the results. file: where they are kept, as CSV.
        of: columns that tell what a study was of; rows that agree in all of them are replaced.
        keys: columns by which all are sorted, so that the same results are the same file.
    """
    with FileLock(file.with_name(LOCK)):
        if file.exists():
            before = pd.read_csv(file, keep_default_na=False, na_values=[""])
            both = before.merge(rows[[*of]].drop_duplicates(), "left", indicator="found")
            rows = pd.concat([before[(both["found"] == "left_only").to_numpy()], rows])
        draft = file.with_name(f".{file.name}.part")
        rows.sort_values([*keys], kind="stable").to_csv(draft, index=False, float_format="%.6g")
        draft.replace(file)


def by_seed(scores: pd.DataFrame, protocol: str = "random-10-10-80") -> pd.DataFrame:
    """Return one row a graph, arm and seed with the mean accuracy over its splits, as `arms` takes them.

    What is not trained stands beside each seed of a trained arm.
    """
    kept = scores[scores["protocol"] == protocol]
    means = kept.groupby(["graph", "arm", "seed"], as_index=False)["accuracy"].mean()
    fixed = means[means["arm"].isin([RAW, PROPAGATED])].drop(columns="seed")
    trained = means[~means["arm"].isin([RAW, PROPAGATED])]
    seeds = trained[["graph", "seed"]].drop_duplicates()
    return pd.concat([trained, fixed.merge(seeds, on="graph")], ignore_index=True)


def needed(cell: Cell | Training, seeds: int) -> list[sweep.Request]:
    """Return the trainings that a published number, or a plan, takes.

    Raises:
        UserError: it can't be run here; the message says why. Or fewer than one seed.
    """
    if isinstance(cell, Cell) and cell.reason:
        raise UserError(f"{cell.id} can't be compared: {cell.reason}")
    if cell.method == RAW:
        raise UserError(f"{cell.id} needs no training: it is scored beside any training on {cell.graph}")
    if cell.method not in METHODS.names() or cell.preset is None:
        raise UserError(f"{cell.id} can't be run: {cell.method} is not in the workbench")
    return sweep.plan([cell.method], [cell.graph], [cell.preset], seeds)
