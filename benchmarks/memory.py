"""Forecast against measured peak memory of two epochs, each fit in a fresh process: python -m benchmarks.memory."""

import json
import subprocess
import sys
import tempfile
from typing import Any

# Method, graph and settings; the released preset is too wide for a small machine where "dim" is set.
FITS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "grace cora": ("grace", "cora", {}),
    "grace cora uniform": ("grace", "cora", {"negatives": "uniform"}),
    "grace cora hop-far": ("grace", "cora", {"negatives": "hop-far"}),
    "str-gcl cora": ("str-gcl", "cora", {}),
    "e2neg cora": ("e2neg", "cora", {}),
    "grace pubmed": ("grace", "pubmed", {}),
    "grace pubmed uniform": ("grace", "pubmed", {"negatives": "uniform"}),
    "str-gcl pubmed": ("str-gcl", "pubmed", {}),
    "e2neg pubmed": ("e2neg", "pubmed", {}),
    "grace photo": ("grace", "photo", {}),
    "grace photo uniform": ("grace", "photo", {"negatives": "uniform"}),
    "grace planted:20000": ("grace", "planted:20000", {}),
    "e2neg planted:20000": ("e2neg", "planted:20000", {}),
    "grace planted:100000 uniform": ("grace", "planted:100000", {"negatives": "uniform"}),
}
_CODE = """
import json, sys, tempfile
import workbench as wb
method, graph, settings = json.loads(sys.argv[1])
data = wb.load_graph(graph)
run = wb.fit(method, data, epochs=2, device="cpu", progress=False, store=tempfile.mkdtemp(), **settings)
print(json.dumps([wb.forecast(method, data, epochs=2, **settings).peak_mib, run.peak_mib]))
"""


def compare(method: str, graph: str, settings: dict[str, Any]) -> tuple[float, float]:
    """Return the forecast and the measured peak of one fit in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-c", _CODE, json.dumps([method, graph, settings])]
        shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    forecast, measured = json.loads(shown.splitlines()[-1])
    return forecast, measured


if __name__ == "__main__":
    print(f"{'fit':<30} {'forecast':>9} {'measured':>9} {'ratio':>6}")
    for name in sys.argv[1:] or FITS:
        forecast, measured = compare(*FITS[name])
        print(f"{name:<30} {forecast:9,.0f} {measured:9,.0f} {forecast / measured:6.2f}", flush=True)
