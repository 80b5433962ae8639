"""Widgets for a notebook: they wire functions and figures together and compute nothing of their own."""

from workbench.widgets.rules import RuleExplorer, RuleReport, rule_explorer

__all__ = ["RuleExplorer", "RuleReport", "rule_explorer"]
