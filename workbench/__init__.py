"""A workbench for contrastive learning on graphs: methods, rules, negatives and honest numbers.

Importing this package is cheap: torch, plotly and everything else heavy are loaded by the first name that needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "load_graph": ("workbench.graphs", "load_graph"),
    "fit": ("workbench.training", "fit"),
    "forecast": ("workbench.forecasting", "forecast"),
    "evaluate": ("workbench.evaluation", "evaluate"),
    "compare": ("workbench.evaluation", "compare"),
    "Run": ("workbench.runs", "Run"),
    "UserError": ("workbench.errors", "UserError"),
    "Contrast": ("workbench.contrast", "Contrast"),
    "graphs": ("workbench.graphs", None),
    "rules": ("workbench.rules", None),
    "placebo": ("workbench.placebo", None),
    "budget": ("workbench.budget", None),
    "claims": ("workbench.claims", None),
    "sweep": ("workbench.sweep", None),
    "negatives": ("workbench.contrast.selection", None),
    "audit": ("workbench.contrast.audit", "audit"),
    "methods": ("workbench.methods", None),
    "protocols": ("workbench.evaluation.protocols", None),
    "plots": ("workbench.plots", None),
    "runs": ("workbench.runs", None),
    "evaluation": ("workbench.evaluation", None),
    "notebooks": ("workbench.notebooks", None),
    "widgets": ("workbench.widgets", None),
}

__all__ = [*_PUBLIC, "__version__"]

if TYPE_CHECKING:
    import workbench.contrast.selection as negatives
    from workbench import (
        budget,
        claims,
        evaluation,
        graphs,
        methods,
        notebooks,
        placebo,
        plots,
        rules,
        runs,
        sweep,
        widgets,
    )
    from workbench.contrast import Contrast
    from workbench.contrast.audit import audit
    from workbench.errors import UserError
    from workbench.evaluation import compare, evaluate, protocols
    from workbench.forecasting import forecast
    from workbench.graphs import load_graph
    from workbench.runs import Run
    from workbench.training import fit


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
