"""Training by sampled batches: against the whole graph, and how its cost grows with the number of nodes.

Each training is a process of its own, so that peaks of memory don't mix.
"""

import math
from functools import partial
from typing import Any

import numpy as np

from benchmarks import BENCHMARKS, fresh
from benchmarks.measure import Rows

METHODS = ("grace", "dgi", "bgrl", "str-gcl")
BATCH: dict[str, Any] = {"batch_size": 2048, "neighbours": 10}
# What else a method is given by batches: BGRL warms up over epochs, of which there are few.
BESIDE: dict[str, dict[str, Any]] = {"bgrl": {"warmup": 1}}
SIZES = (10_000, 100_000, 1_000_000)


@BENCHMARKS.register("batches")
def batches() -> Rows:
    """DGI, BGRL, GRACE and Str-GCL on PubMed: untrained, five epochs of batches, as many steps on the whole graph.

    Quick presets, random-10-10-80. Batches have 2,048 anchors and 10 neighbours per node and layer; a step on the whole
    graph counts as an epoch, and there Str-GCL has 64 uniform negatives, not all.
    """
    steps, rows = 5 * math.ceil(19_717 / BATCH["batch_size"]), []
    for method in ("dgi", "bgrl", "grace", "str-gcl"):
        pubmed = partial(fresh.train, method=method, graph="pubmed", preset="quick", scored=True)
        rows.append(pubmed(f"{method}, untrained", epochs=0))
        rows.append(pubmed(f"{method}, batches", epochs=5, **BATCH, **BESIDE.get(method, {})))
        few = {"negatives": "uniform", "k": 64} if method == "str-gcl" else {}
        rows.append(pubmed(f"{method}, whole graph{', 64 negatives' if few else ''}", epochs=steps, **few))
    return rows


@BENCHMARKS.register("million")
def million() -> Rows:
    """An epoch of batches on planted graphs of ten thousand to a million nodes, ten edges per node (quick presets).

    Batches have 2,048 anchors and 10 neighbours per node and layer. The exponent is that of the nodes in the time; it
    can exceed 1, since in a larger graph a batch reaches more different nodes until its samples are full.
    """
    rows = []
    for method in METHODS:
        settings = BATCH | BESIDE.get(method, {})
        each = [
            fresh.train(f"{method}, {nodes:,} nodes", method, f"planted:{nodes}", "quick", 1, **settings)
            for nodes in SIZES
        ]
        rows += [{**row, "nodes": nodes} for row, nodes in zip(each, SIZES, strict=True)]
        slope = np.polyfit(np.log(SIZES), [math.log(row["after_seconds"]) for row in each], 1)[0]
        rows[-1]["exponent"] = float(slope)
    return rows
