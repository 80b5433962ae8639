"""Widgets for a notebook: they wire functions and figures together and compute nothing of their own."""

from workbench.arguments import guard
from workbench.widgets.atlas import GraphAtlas, graph_atlas
from workbench.widgets.board import Leaderboard, leaderboard
from workbench.widgets.comparison import Comparison, comparison
from workbench.widgets.explorer import EmbeddingExplorer, embedding_explorer
from workbench.widgets.first import FirstLook, first_look
from workbench.widgets.negatives import Microscope, microscope
from workbench.widgets.objectives import ObjectivesLab, objectives_lab
from workbench.widgets.own import OwnGraph, own_graph
from workbench.widgets.rules import RuleExplorer, rule_explorer
from workbench.widgets.runs import RunsTable, runs_table
from workbench.widgets.selections import selections
from workbench.widgets.shell import Report
from workbench.widgets.training import TrainingPanel, training_panel

__all__ = [
    "Comparison",
    "EmbeddingExplorer",
    "FirstLook",
    "GraphAtlas",
    "Leaderboard",
    "Microscope",
    "ObjectivesLab",
    "OwnGraph",
    "Report",
    "RuleExplorer",
    "RunsTable",
    "TrainingPanel",
    "comparison",
    "embedding_explorer",
    "first_look",
    "graph_atlas",
    "leaderboard",
    "microscope",
    "objectives_lab",
    "own_graph",
    "rule_explorer",
    "runs_table",
    "selections",
    "training_panel",
]
guard(globals(), __all__)
