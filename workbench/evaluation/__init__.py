"""Scores of embeddings under named protocols, with their spread, and comparisons that show the baselines.

Importing this package is cheap: what is known of protocols and intervals is told without torch.
"""

from typing import TYPE_CHECKING

from workbench.lazy import lazily

if TYPE_CHECKING:
    from workbench.evaluation import protocols, ranking, statistics
    from workbench.evaluation.alignment import Agreement, agreement
    from workbench.evaluation.baselines import BASELINES, propagated
    from workbench.evaluation.choosing import validation
    from workbench.evaluation.comparison import beside_baselines, compare, format, lens
    from workbench.evaluation.embeddings import by_item, check_same
    from workbench.evaluation.ladders import edit_order
    from workbench.evaluation.learned_graphs import graphs_compared
    from workbench.evaluation.scores import Measure, Scores, evaluate
    from workbench.evaluation.statistics import mean_interval, nested_spread, paired_difference
    from workbench.evaluation.tasks import four_tasks
    from workbench.evaluation.typed import weighed_negatives
    from workbench.evaluation.unsupervised import Clustering, clustering, neighbours

_HOMES = {
    "alignment": ("Agreement", "agreement"),
    "baselines": ("BASELINES", "propagated"),
    "choosing": ("validation",),
    "comparison": ("beside_baselines", "compare", "format", "lens"),
    "embeddings": ("by_item", "check_same"),
    "ladders": ("edit_order",),
    "learned_graphs": ("graphs_compared",),
    "scores": ("Measure", "Scores", "evaluate"),
    "statistics": ("mean_interval", "nested_spread", "paired_difference"),
    "tasks": ("four_tasks",),
    "typed": ("weighed_negatives",),
    "unsupervised": ("Clustering", "clustering", "neighbours"),
}
_LAZY = {name: f"{__name__}.{module}:{name}" for module, names in _HOMES.items() for name in names}
_LAZY |= {module: f"{__name__}.{module}:" for module in ("protocols", "ranking", "statistics")}
__getattr__ = lazily(__name__, _LAZY)
__all__ = [
    "BASELINES",
    "Agreement",
    "Clustering",
    "Measure",
    "Scores",
    "agreement",
    "beside_baselines",
    "by_item",
    "check_same",
    "clustering",
    "compare",
    "edit_order",
    "evaluate",
    "format",
    "four_tasks",
    "graphs_compared",
    "lens",
    "mean_interval",
    "neighbours",
    "nested_spread",
    "paired_difference",
    "propagated",
    "protocols",
    "ranking",
    "statistics",
    "validation",
    "weighed_negatives",
]
