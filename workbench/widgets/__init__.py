"""Widgets for a notebook: they wire functions and figures together and compute nothing of their own."""

from workbench.widgets.negatives import Microscope, MicroscopeReport, microscope
from workbench.widgets.rules import RuleExplorer, RuleReport, rule_explorer

__all__ = ["Microscope", "MicroscopeReport", "RuleExplorer", "RuleReport", "microscope", "rule_explorer"]
