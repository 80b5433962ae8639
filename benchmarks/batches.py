"""Training by sampled batches: against the whole graph, and how its cost grows with the number of nodes.

Each training is a process of its own, so that peaks of memory don't mix.
"""

import math
import sys
from typing import Any

import numpy as np

from benchmarks import fresh
from benchmarks.measure import BENCHMARKS, Rows

METHODS = ("grace", "dgi", "bgrl", "str-gcl")
BATCH: dict[str, Any] = {"batch_size": 2048, "neighbours": 10}
# What else a method is given by batches: BGRL warms up over epochs, of which there are few.
BESIDE: dict[str, dict[str, Any]] = {"bgrl": {"warmup": 1}}
SIZES = (10_000, 100_000, 1_000_000)
_CODE = """
import json, sys
import workbench as wb
method, graph, epochs, settings, store = json.loads(sys.argv[1])
data = wb.load_graph(graph)
run = wb.fit(method, data, preset="quick", epochs=epochs, progress=False, store=store, **settings)
row = {"seconds_an_epoch": run.seconds / max(run.epochs, 1), "peak_mib": run.peak_mib}
row["forecast_mib"] = wb.forecast(method, data, "quick", epochs=epochs, **settings).peak_mib
if graph == "pubmed":
    row["accuracy"] = wb.evaluate(run, data).accuracy.mean
print(json.dumps({"after_seconds": run.seconds, **row}))
"""


def train(case: str, method: str, graph: str, epochs: int, **settings: Any) -> dict[str, Any]:
    """Return what one training took and gave."""
    row = {"case": f"{method}, {case}", **fresh.run(_CODE, method, graph, epochs, settings)}
    print(f"  {row['case']}: {row['after_seconds']:.1f} s", file=sys.stderr, flush=True)
    return row


@BENCHMARKS.register("batches")
def batches() -> Rows:
    """DGI and BGRL on PubMed (quick presets, random-10-10-80): untrained, five epochs of batches, as many whole steps.

    Batches have 2,048 anchors and 10 neighbours a node and layer; a step on the whole graph counts as an epoch.
    """
    steps, rows = 5 * math.ceil(19_717 / BATCH["batch_size"]), []
    for method in ("dgi", "bgrl"):
        rows.append(train("untrained", method, "pubmed", 0))
        rows.append(train("batches", method, "pubmed", 5, **BATCH, **BESIDE.get(method, {})))
        rows.append(train("whole graph", method, "pubmed", steps))
    return rows


@BENCHMARKS.register("million")
def million() -> Rows:
    """An epoch of batches on planted graphs of ten thousand to a million nodes, ten edges a node (quick presets).

    Batches have 2,048 anchors and 10 neighbours a node and layer. The exponent is that of the nodes in the time; it can
    exceed 1, since in a larger graph a batch reaches more different nodes until its samples are full.
    """
    rows = []
    for method in METHODS:
        settings = BATCH | BESIDE.get(method, {})
        each = [train(f"{nodes:,} nodes", method, f"planted:{nodes}", 1, **settings) for nodes in SIZES]
        rows += [{**row, "nodes": nodes} for row, nodes in zip(each, SIZES, strict=True)]
        slope = np.polyfit(np.log(SIZES), [math.log(row["after_seconds"]) for row in each], 1)[0]
        rows[-1]["exponent"] = float(slope)
    return rows
