"""Forecast against measured peak memory of two epochs, each fit in a fresh process: python -m benchmarks.memory."""

import sys
from typing import Any

from benchmarks import fresh

# Method, graph and settings beside the authors' preset for that graph.
FITS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "grace cora": ("grace", "cora", {}),
    "grace cora uniform": ("grace", "cora", {"negatives": "uniform"}),
    "grace cora hop-far": ("grace", "cora", {"negatives": "hop-far"}),
    "str-gcl cora": ("str-gcl", "cora", {}),
    "e2neg cora": ("e2neg", "cora", {}),
    "dgi cora": ("dgi", "cora", {}),
    "bgrl cora": ("bgrl", "cora", {}),
    "swav cora": ("swav", "cora", {}),
    "grace pubmed": ("grace", "pubmed", {}),
    "grace pubmed uniform": ("grace", "pubmed", {"negatives": "uniform"}),
    "e2neg pubmed": ("e2neg", "pubmed", {}),
    "grace photo": ("grace", "photo", {}),
    "grace planted:20000 uniform": ("grace", "planted:20000", {"negatives": "uniform"}),
}
_CODE = """
import json, sys
import workbench as wb
method, graph, settings, store = json.loads(sys.argv[1])
data = wb.load_graph(graph)
run = wb.fit(method, data, epochs=2, device="cpu", progress=False, store=store, **settings)
print(json.dumps([wb.forecast(method, data, epochs=2, **settings).peak_mib, run.peak_mib]))
"""


def compare(method: str, graph: str, settings: dict[str, Any]) -> tuple[float, float]:
    """Return the forecast and the measured peak of one fit in MiB."""
    forecast, measured = fresh.run(_CODE, method, graph, settings)
    return forecast, measured


if __name__ == "__main__":
    print(f"{'fit':<30} {'forecast':>9} {'measured':>9} {'ratio':>6}")
    for name in sys.argv[1:] or FITS:
        forecast, measured = compare(*FITS[name])
        print(f"{name:<30} {forecast:9,.0f} {measured:9,.0f} {forecast / measured:6.2f}", flush=True)
