"""Scores of embeddings under named protocols, with their spread, and comparisons that show the baselines."""

from workbench.evaluation import protocols, statistics
from workbench.evaluation.agreement import Agreement, agreement
from workbench.evaluation.baselines import BASELINES, propagated
from workbench.evaluation.clustering import Clustering, clustering, neighbours
from workbench.evaluation.comparison import compare, format, lens
from workbench.evaluation.embeddings import check_same
from workbench.evaluation.scores import Measure, Scores, evaluate
from workbench.evaluation.statistics import mean_interval, nested_spread, paired_difference

__all__ = [
    "BASELINES",
    "Agreement",
    "Clustering",
    "Measure",
    "Scores",
    "agreement",
    "check_same",
    "clustering",
    "compare",
    "evaluate",
    "format",
    "lens",
    "mean_interval",
    "neighbours",
    "nested_spread",
    "paired_difference",
    "propagated",
    "protocols",
    "statistics",
]
