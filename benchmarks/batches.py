"""Training by batches: against the whole graph on PubMed, and on a million nodes: python -m benchmarks.batches.

Words choose what is run: "pubmed", "million", or methods; none is everything. Each training is a process of its own, so
that peaks of memory don't mix; a line of JSON a training.
"""

import json
import subprocess
import sys
import tempfile
from typing import Any

METHODS = ("grace", "dgi", "bgrl", "str-gcl")
BATCH: dict[str, Any] = {"batch_size": 2048, "neighbours": 10}
# What else a method is given by batches: BGRL warms up over epochs, of which there are few.
BESIDE: dict[str, dict[str, Any]] = {"bgrl": {"warmup": 1}}
_CODE = """
import json, sys, time
import workbench as wb
method, graph, steps, epochs, settings, store = json.loads(sys.argv[1])
data = wb.load_graph(graph)
run = wb.fit(method, data, preset="quick", epochs=epochs, progress=False, store=store, **settings)
row = {"method": method, "graph": graph, **settings, "steps": steps, "epochs": epochs, "seconds": run.seconds}
row |= {"seconds_an_epoch": run.seconds / max(run.epochs, 1), "peak_mib": run.peak_mib}
row["forecast_mib"] = wb.forecast(method, data, "quick", epochs=epochs, **settings).peak_mib
if data.get("y") is not None:
    row["accuracy"] = wb.evaluate(run, data).accuracy.mean
print(json.dumps(row))
"""


def train(method: str, graph: str, steps: int, epochs: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what one training in a process of its own took and gave."""
    with tempfile.TemporaryDirectory() as store:
        words = [sys.executable, "-c", _CODE, json.dumps([method, graph, steps, epochs, settings, store])]
        shown = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    row: dict[str, Any] = json.loads(shown.splitlines()[-1])
    return row


def pubmed(method: str, steps: int = 54) -> None:
    """Print a training on the whole graph, the same number of steps on batches, and no step at all."""
    batches = 19_717 // BATCH["batch_size"]
    for epochs, settings in ((0, {}), (steps, {}), (steps // batches, BATCH | BESIDE.get(method, {}))):
        print(json.dumps(train(method, "pubmed", steps if epochs else 0, epochs, settings)), flush=True)


def million(method: str) -> None:
    """Print an epoch of batches on a million nodes, 10 edges a node."""
    print(
        json.dumps(
            train(method, "planted:1000000", 1_000_000 // BATCH["batch_size"], 1, BATCH | BESIDE.get(method, {}))
        ),
        flush=True,
    )


if __name__ == "__main__":
    chosen = sys.argv[1:]
    for method in [word for word in METHODS if word in chosen] or METHODS:
        for name, bench in (("pubmed", pubmed), ("million", million)):
            if name in chosen or not {"pubmed", "million"} & {*chosen}:
                bench(method)
