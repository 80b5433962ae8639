"""A workbench for contrastive learning on graphs: methods, rules, negatives and honest numbers.

Importing this package is cheap: torch, plotly and everything else heavy are loaded by the first name that needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
DISTRIBUTION = "graph-contrast-workbench"  # as a package index knows it, where `workbench` is somebody else's

_PUBLIC = {
    "load_graph": ("workbench.datasets", "load_graph"),
    "fit": ("workbench.training.fit", "fit"),
    "forecast": ("workbench.training.memory", "forecast"),
    "evaluate": ("workbench.evaluation", "evaluate"),
    "compare": ("workbench.evaluation", "compare"),
    "Run": ("workbench.training.run", "Run"),
    "UserError": ("workbench.errors", "UserError"),
    "Contrast": ("workbench.contrast", "Contrast"),
    "graphs": ("workbench.datasets", None),
    "rules": ("workbench.rules", None),
    "placebo": ("workbench.studies.placebo", None),
    "budget": ("workbench.studies.budget", None),
    "claims": ("workbench.studies.claims", None),
    "sweep": ("workbench.studies.sweep", None),
    "negatives": ("workbench.contrast.negatives.selection", None),
    "audit": ("workbench.contrast.audit", "audit"),
    "methods": ("workbench.methods", None),
    "protocols": ("workbench.evaluation.protocols", None),
    "plots": ("workbench.plots", None),
    "runs": ("workbench.training.store", None),
    "evaluation": ("workbench.evaluation", None),
    "notebooks": ("workbench.pages.notebooks", None),
    "widgets": ("workbench.widgets", None),
}

__all__ = [*_PUBLIC, "__version__"]

if TYPE_CHECKING:
    from workbench import datasets as graphs
    from workbench import evaluation, methods, plots, rules, widgets
    from workbench.contrast import Contrast
    from workbench.contrast.audit import audit
    from workbench.contrast.negatives import selection as negatives
    from workbench.datasets import load_graph
    from workbench.errors import UserError
    from workbench.evaluation import compare, evaluate, protocols
    from workbench.pages import notebooks
    from workbench.studies import budget, claims, placebo, sweep
    from workbench.training import store as runs
    from workbench.training.fit import fit
    from workbench.training.memory import forecast
    from workbench.training.run import Run


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    value = import_module(module)
    if attribute:
        value = getattr(value, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
