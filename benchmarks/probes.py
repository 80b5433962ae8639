"""The logistic probe: every class and fold solved together, against liblinear by scikit-learn."""

import workbench as wb
from benchmarks import BENCHMARKS
from benchmarks.measure import Rows, row


@BENCHMARKS.register("probes")
def probes() -> Rows:
    """The protocol random-10-90, three splits, on the embeddings of an untrained encoder: liblinear against ours."""
    rows = []
    for name in ("cora", "citeseer", "photo", "computers", "pubmed"):
        graph, means = wb.load_graph(name), dict[str, float]()
        run = wb.fit("grace", graph, "defaults", epochs=0, progress=False, store=None)

        def score(solver: str, run: wb.Run = run, graph: object = graph, means: dict[str, float] = means) -> None:
            means[solver] = wb.evaluate(run, graph, "random-10-90", splits=3, solver=solver).accuracy.mean

        times = row(name, lambda s=score: s("liblinear"), lambda s=score: s("fast"), 0, must="within 0.1 points")
        rows.append({**times, "met": abs(means["liblinear"] - means["fast"]) <= 0.1, **means})
    return rows
