"""Forecast against measured peak memory."""

from typing import Any

from benchmarks import BENCHMARKS, fresh
from benchmarks.measure import Rows

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
    "dgi pubmed": ("dgi", "pubmed", {}),
    "dgi pubmed, batches": ("dgi", "pubmed", {"batch_size": 1024}),
    "bgrl pubmed, batches": ("bgrl", "pubmed", {"batch_size": 1024}),
    "grace pubmed, batches": ("grace", "pubmed", {"batch_size": 1024}),
    "e2neg pubmed": ("e2neg", "pubmed", {}),
    "grace photo": ("grace", "photo", {}),
    "grace planted:20000 uniform": ("grace", "planted:20000", {"negatives": "uniform"}),
}


@BENCHMARKS.register("forecasts")
def forecasts() -> Rows:
    """Forecast against measured peak memory of two epochs, the authors' presets, each in a fresh process."""
    rows = [fresh.train(name, method, graph, None, 2, **settings) for name, (method, graph, settings) in FITS.items()]
    return [{**row, "forecast_share": row["forecast_mib"] / row["peak_mib"]} for row in rows]
