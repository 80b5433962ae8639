"""Mean ranks of conditions over the tasks of a study, as papers on several tasks at once compare methods."""

import pandas as pd

from workbench.evaluation.statistics import mean_interval
from workbench.studies.study import Study

COLUMNS = ["condition", "rank", "low", "high", "seeds", "data", "tasks"]


def mean_ranks(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the mean rank of each trained condition over data and tasks, 1 for the best, the best first.

    Within a seed the conditions are ranked by each task on each of the data; of equal scores each has the mean of their
    ranks. The interval is Student's of 95 % over the seeds' means, nan of one seed. Data on which a condition lacks a
    task or a seed are left out.

    Args:
        rows: the long table. study: whose `ranked` names the tasks, a protocol and a measure each.

    Returns:
        One row per condition: `COLUMNS`, of which the last three count. It is empty where no data are whole.
    """
    trained = rows[(rows["kind"] == "trained") & rows["seed"].notna()]
    names, ranks, whole = [one.name for one in study.conditions], [], []
    for data, part in trained.groupby("data", sort=False, observed=True):
        tables = []
        for protocol, measure in study.ranked:
            scores = part[(part["protocol"] == protocol) & (part["metric"] == measure)]
            tables.append(scores.pivot_table("value", "seed", "condition", observed=True).reindex(columns=names))
        there = pd.concat(tables, keys=range(len(tables)), names=["task"])
        seeds = sorted(part["seed"].unique())
        if there.notna().all(axis=None) and len(there) == len(tables) * len(seeds):
            ranks.append(there.rank(axis=1, ascending=False))
            whole.append((data, tuple(seeds)))
    if not ranks or len({seeds for _, seeds in whole}) > 1:
        return pd.DataFrame(columns=COLUMNS)
    by_seed = pd.concat(ranks).groupby("seed").mean()
    lines = []
    for name in names:
        values = by_seed[name].tolist()
        found = mean_interval(values) if len(values) > 1 else None
        ends = (found.low, found.high) if found else (float("nan"),) * 2
        lines.append((name, by_seed[name].mean(), *ends, len(values), len(whole), len(study.ranked)))
    return pd.DataFrame(lines, columns=COLUMNS).sort_values("rank", kind="stable", ignore_index=True)
