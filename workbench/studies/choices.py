"""Which numbers that need no labels would have picked the right epoch of a training, and the right run."""

import pandas as pd

from workbench.studies import results
from workbench.training.choice import CHOICES, NUMBERS, PATIENCE, choice

FLAWED = "FLAWED: best on the way"  # picked by test accuracy, which nobody could have done


def picks(rows: pd.DataFrame, patience: int = PATIENCE) -> pd.DataFrame:
    """Return accuracy in percent at the epoch that each number picks, beside others, means over seeds.

    Args:
        rows: the long table of a study with snapshots.
        patience: looks without a better one after which training would have ended, as it does by `fit(stop=...)`.

    Returns:
        One row per data and condition: data, condition, seeds, untrained, last, one column for each of
        `training.choice.CHOICES`, and the best on the way, which is flawed: it is picked by test accuracy.
    """
    lines = []
    points = results.wide(rows, curve=True).sort_values("epochs", kind="stable")
    for (data, condition, _), run in points.groupby(["data", "condition", "seed"], sort=False):
        by_epoch = run.set_index("epochs")
        numbers = by_epoch.reindex(columns=[*NUMBERS]).to_dict("index")
        line = {"data": data, "condition": condition, "seeds": 1, "untrained": by_epoch["accuracy"].get(0)}
        line["last"] = by_epoch["accuracy"].iloc[-1]
        line |= {name: by_epoch["accuracy"].get(choice(numbers, name, patience)[0]) for name in CHOICES}
        lines.append({**line, FLAWED: by_epoch["accuracy"].max()})
    groups = pd.DataFrame(lines).groupby(["data", "condition"], sort=False)
    means = groups.mean(numeric_only=True).assign(seeds=groups["seeds"].sum())
    return means.reset_index()


def correlations(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's rank correlation of how good each number says an embedding is with its accuracy.

    Returns:
        One row per data and number of `training.choice.CHOICES`: data, number, runs; "over runs", of the last epochs
        of all trainings on the data; "over epochs", its mean over trainings, of each over its trained epochs.
    """
    lines = []
    for data, of_data in results.wide(rows, curve=True).groupby("data", sort=False):
        good = pd.DataFrame({name: of_data.apply(CHOICES[name][1], axis=1) for name in CHOICES})
        table = of_data[["condition", "seed", "epochs", "accuracy"]].join(good)
        trained = table[table["epochs"] > 0].sort_values("epochs").groupby(["condition", "seed"])
        for name in CHOICES:
            last, within = trained.tail(1), [run[name].corr(run["accuracy"], "spearman") for _, run in trained]
            over = {"over runs": last[name].corr(last["accuracy"], "spearman"), "over epochs": pd.Series(within).mean()}
            lines.append({"data": data, "number": name, "runs": len(last), **over})
    return pd.DataFrame(lines)
