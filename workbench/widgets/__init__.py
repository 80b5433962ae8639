"""Widgets for a notebook: they wire functions and figures together and compute nothing of their own."""

from workbench.widgets.comparison import Comparison, ComparisonReport, comparison
from workbench.widgets.explorer import EmbeddingExplorer, EmbeddingReport, embedding_explorer
from workbench.widgets.negatives import Microscope, MicroscopeReport, microscope
from workbench.widgets.rules import RuleExplorer, RuleReport, rule_explorer
from workbench.widgets.training import TrainingPanel, TrainingReport, training_panel

__all__ = [
    "Comparison", "ComparisonReport", "EmbeddingExplorer", "EmbeddingReport", "Microscope", "MicroscopeReport",
    "RuleExplorer", "RuleReport", "TrainingPanel", "TrainingReport", "comparison", "embedding_explorer", "microscope",
    "rule_explorer", "training_panel",
]  # fmt: skip
