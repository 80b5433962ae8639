"""A training in a process of its own, so that its peak of memory is nobody else's."""

import json
import subprocess
import sys
import tempfile
from typing import Any

_CODE = """
import json, sys
import workbench as wb
method, graph, preset, epochs, settings, scored, store = json.loads(sys.argv[1])
data = wb.load_graph(graph)
run = wb.fit(method, data, preset, epochs=epochs, device="cpu", progress=False, store=store, **settings)
row = {"after_seconds": run.seconds, "seconds_per_epoch": run.seconds / max(run.epochs, 1), "peak_mib": run.peak_mib}
row["forecast_mib"] = wb.forecast(method, data, preset, epochs=epochs, **settings).peak_mib
if scored:
    row["accuracy"] = wb.evaluate(run, data).accuracy.mean
print(json.dumps(row))
"""


def train(
    case: str, method: str, graph: str, preset: str | None, epochs: int, scored: bool = False, **settings: Any
) -> dict[str, Any]:
    """Return what one training took, and its forecast, and where it is scored its accuracy; tell it on the way."""
    with tempfile.TemporaryDirectory() as store:
        words = [sys.executable, "-c", _CODE, json.dumps([method, graph, preset, epochs, settings, scored, store])]
        shown = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    row = {"case": case, **json.loads(shown.splitlines()[-1])}
    print(f"  {case}: {row['after_seconds']:.1f} s", file=sys.stderr, flush=True)
    return row
