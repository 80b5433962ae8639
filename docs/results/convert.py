"""Convert the results of before, a table of its own shape a study, into the long table, and check every number.

    python docs/results/convert.py OLD NEW

OLD is a folder with claims-*.csv, negatives*.csv and placebo*.csv as they stood before the long table (commit 8fafbfe).
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from workbench.studies import results
from workbench.studies.families import switch_name
from workbench.studies.results import LENS

MEANS = {"accuracy": "accuracy", "spread over splits": "accuracy_std", "macro F1": "macro_f1"}
FACTS = {"negatives": "negatives", "ms an epoch": "ms_an_epoch"}
COSTS = {"epochs": "epochs", "seconds": "seconds", "peak MiB": "peak_mib"}
METHODS = {"negatives": "grace", "negatives-strategies": "grace", "negatives-objectives": "grace", "placebo": "str-gcl",
           "placebo-released": "str-gcl"}  # fmt: skip
NAMES = {"negatives-strategies": "negatives-samplers"}


def read(file: Path) -> pd.DataFrame:
    """Return a table of before."""
    return pd.read_csv(file, keep_default_na=False, na_values=[""])


def named(arm: str, method: str) -> tuple[str, str]:
    """Return the name and the kind of a condition by the name of its arm."""
    if arm in ("raw", "propagated", "propagated attributes Â²X"):
        return arm.split()[0], "baseline"
    if arm == "untrained encoder" or arm.endswith(" untrained"):
        return f"untrained {method or arm.split()[0]}", "untrained"
    return arm, "trained"


def long(old: pd.DataFrame, study: str, values: Mapping[str, str], method: str = "") -> pd.DataFrame:
    """Return old rows as the long table; each of `values` is a column that becomes a metric."""
    rows = []
    for row in old.to_dict("records"):
        condition, kind = named(row["arm"], row.get("method", method) if study != "reproduction" else "")
        if study == "switches" and kind == "trained":
            condition = switch_name(row["method"], condition)
        facts = {"study": study, "condition": condition, "kind": kind, "data": row["graph"]}
        facts |= {new: row[old] for old, new in COSTS.items() if old in row} | {"device": row.get("device")}
        facts |= {} if kind == "baseline" else {"preset": row["preset"], "seed": row["seed"]}
        for name, metric in values.items():
            protocol = "" if metric in {*FACTS.values(), "finished", "asked_epochs"} else row["protocol"]
            if name in row and not pd.isna(row[name]):
                split = {"split": row["split"]} if "split" in row else {}
                rows.append({**facts, **split, "protocol": protocol, "metric": metric, "value": row[name]})
    return results.table(rows)


def check(old: pd.DataFrame, new: pd.DataFrame, keys: list[str], pairs: Mapping[str, str]) -> int:
    """Assert that each number of the old table stands in the new one, by the same keys; return how many there are."""
    counted = 0
    for name, metric in pairs.items():
        if name not in old:
            continue
        part = new[new["metric"] == metric]
        old = old.astype({key: "Int64" for key in keys if key in ("seed", "epochs", "split")})
        wanted = old[old[name].notna()].set_index(keys)[name].astype(float).sort_index()
        given = part.set_index(keys)["value"].astype(float).sort_index()
        pd.testing.assert_series_equal(given, wanted, check_names=False, check_exact=True, check_index_type=False)
        counted += len(wanted)
        for cost, column in COSTS.items():
            if cost in old and column not in keys and name in ("accuracy", "finished"):
                of_rows = part.set_index(keys)[column].astype(float).sort_index()
                before = old.set_index(keys)[cost].astype(float).sort_index()
                pd.testing.assert_series_equal(
                    of_rows, before, check_names=False, check_exact=True, check_index_type=False
                )
                counted += int(before.notna().sum())
    return counted


def renamed(old: pd.DataFrame, study: str, method: str = "") -> pd.DataFrame:
    """Return an old table with the names of today's conditions, and a seed of -1 where nothing is trained."""
    pairs = [
        named(row["arm"], row.get("method", method) if study != "reproduction" else "")
        for row in old.to_dict("records")
    ]
    conditions = [name for name, _ in pairs]
    if study == "switches":
        conditions = [switch_name(m, name) if kind == "trained" else name
                      for (name, kind), m in zip(pairs, old["method"], strict=True)]  # fmt: skip
    kinds = [kind for _, kind in pairs]
    seeds = [-1 if kind == "baseline" else seed for kind, seed in zip(kinds, old["seed"], strict=True)]
    return old.assign(condition=conditions, data=old["graph"], seed=pd.array(seeds, dtype="Int64")).drop(columns="arm")


def written(rows: pd.DataFrame, study: str, folder: Path) -> pd.DataFrame:
    """Write a study and read it again."""
    file = folder / f"{study}.csv"
    file.unlink(missing_ok=True)
    return results.add(rows, file).fillna({"seed": -1})


def main(before: Path, after: Path) -> None:
    """Convert everything."""
    for name, method in METHODS.items():
        old, study = read(before / f"{name}.csv"), NAMES.get(name, name)
        new = written(long(old, study, MEANS | FACTS, method), study, after)
        print(study, check(renamed(old, study, method), new, ["condition", "data", "seed"], MEANS | FACTS), "numbers")
    old = read(before / "claims-switches.csv").drop_duplicates(["graph", "arm", "seed", "method"])
    unlike = old[(old["arm"] == "propagated attributes Â²X")]
    assert (unlike.groupby("graph")["accuracy"].nunique() == 1).all()  # a baseline is the same beside each method
    old = old[(old["arm"] != "propagated attributes Â²X") | ~old.duplicated(["graph", "arm", "seed"])]
    new = written(long(old, "switches", MEANS), "switches", after)
    print("switches", check(renamed(old, "switches"), new, ["condition", "data", "seed"], MEANS), "numbers")
    old = read(before / "claims-courses.csv").rename(columns={"epoch": "epochs"})
    new = written(long(old, "learning-curve", MEANS), "learning-curve", after)
    print(
        "learning-curve",
        check(renamed(old, "learning-curve"), new, ["condition", "data", "seed", "epochs"], MEANS),
        "numbers",
    )
    scores, cost = read(before / "claims-scores.csv"), read(before / "claims-cost.csv")
    cost = cost.assign(finished=(cost["state"] == "finished").astype(float), protocol="")
    joined = scores.merge(
        cost[["arm", "graph", "preset", "seed", *COSTS, "device"]], "left", ["arm", "graph", "preset", "seed"]
    )
    scored, facts = {"accuracy": "accuracy", "macro_f1": "macro_f1"}, {"finished": "finished", "asked": "asked_epochs"}
    rows = pd.concat([long(joined, "reproduction", scored), long(cost, "reproduction", facts)])
    new = written(rows, "reproduction", after)
    assert set(scores["solver"]) == {"fast"}  # the study's own
    keys = ["condition", "data", "protocol", "seed", "split"]
    count = check(renamed(joined, "reproduction"), new[new["protocol"] != ""], keys, scored)
    count += check(renamed(cost, "reproduction"), new[new["protocol"] == ""], ["condition", "data", "seed"], facts)
    print("reproduction", count, "numbers")
    old = read(before / "claims-lens.csv")
    rows = old.rename(columns={**LENS, "method": "condition", "graph": "data"})
    numbers = rows.melt(["condition", "data", "protocol", "normalised"], list(LENS.values()), "metric")
    new = results.lens(
        written(results.table(numbers.assign(study="protocols", kind="trained").to_dict("records")), "protocols", after)
    )
    keys = ["method", "graph", "protocol", "normalised"]
    back = new.rename(columns={"condition": "method", "data": "graph"})[old.columns].sort_values(
        keys, ignore_index=True
    )
    old = old.sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(back, old.fillna({"flawed": ""}), check_dtype=False, check_exact=True)
    print("protocols", old.select_dtypes("number").size, "numbers")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
