"""Training by batches: against the whole graph on PubMed, and on a million nodes: python -m benchmarks.batches.

Words choose what is run: "pubmed", "million", or methods; none is everything. Each training is a process of its own, so
that peaks of memory don't mix; a line of JSON a training.
"""

import json
import math
import sys
from typing import Any

from benchmarks import fresh

METHODS = ("grace", "dgi", "bgrl", "str-gcl")
BATCH: dict[str, Any] = {"batch_size": 2048, "neighbours": 10}
# What else a method is given by batches: BGRL warms up over epochs, of which there are few.
BESIDE: dict[str, dict[str, Any]] = {"bgrl": {"warmup": 1}}
_CODE = """
import json, sys
import workbench as wb
method, graph, epochs, settings, store = json.loads(sys.argv[1])
data = wb.load_graph(graph)
run = wb.fit(method, data, preset="quick", epochs=epochs, progress=False, store=store, **settings)
row = {"method": method, "graph": graph, **settings, "epochs": epochs, "seconds": run.seconds}
row |= {"seconds_an_epoch": run.seconds / max(run.epochs, 1), "peak_mib": run.peak_mib}
row["forecast_mib"] = wb.forecast(method, data, "quick", epochs=epochs, **settings).peak_mib
if data.get("y") is not None:
    row["accuracy"] = wb.evaluate(run, data).accuracy.mean
print(json.dumps(row))
"""


def train(method: str, graph: str, epochs: int, **settings: Any) -> None:
    """Print what one training took and gave."""
    print(json.dumps(fresh.run(_CODE, method, graph, epochs, settings)), flush=True)


def pubmed(method: str, epochs: int = 5) -> None:
    """Print no step at all, epochs of batches, and as many steps on the whole graph."""
    train(method, "pubmed", 0)
    train(method, "pubmed", epochs, **BATCH, **BESIDE.get(method, {}))
    train(method, "pubmed", epochs * math.ceil(19_717 / BATCH["batch_size"]))


def million(method: str) -> None:
    """Print an epoch of batches on a million nodes, 10 edges a node."""
    train(method, "planted:1000000", 1, **BATCH, **BESIDE.get(method, {}))


if __name__ == "__main__":
    chosen = sys.argv[1:]
    for method in [word for word in METHODS if word in chosen] or METHODS:
        for name, bench in (("pubmed", pubmed), ("million", million)):
            if name in chosen or not {"pubmed", "million"} & {*chosen}:
                bench(method)
