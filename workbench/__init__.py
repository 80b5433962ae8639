"""A workbench for contrastive learning on graphs: methods, rules, negatives and honest numbers.

Importing this package is cheap: torch, plotly and everything else heavy are loaded by the first name that needs them.
"""

from typing import TYPE_CHECKING

from workbench.lazy import lazily

__version__ = "0.1.0"
DISTRIBUTION = "graph-contrast-workbench"  # as a package index knows it, where `workbench` is somebody else's

_PUBLIC = {
    "load_graph": "workbench.datasets:load_graph",
    "fit": "workbench.training.fit:fit",
    "forecast": "workbench.training.memory:forecast",
    "evaluate": "workbench.evaluation:evaluate",
    "compare": "workbench.evaluation:compare",
    "tune": "workbench.studies.tune:tune",
    "quality": "workbench.evaluation.quality:quality",
    "neighbours": "workbench.evaluation.neighbourhoods:neighbours",
    "recommend": "workbench.evaluation.recommending:recommend",
    "user_negatives": "workbench.evaluation.recommending:user_negatives",
    "Run": "workbench.training.run:Run",
    "UserError": "workbench.errors:UserError",
    "Contrast": "workbench.contrast:Contrast",
    "graphs": "workbench.datasets:",
    "rules": "workbench.rules:",
    "studies": "workbench.studies:",
    "negatives": "workbench.contrast.negatives.selection:",
    "audit": "workbench.contrast.audit:audit",
    "adaptation": "workbench.adaptation:",
    "methods": "workbench.methods:",
    "protocols": "workbench.evaluation.protocols:",
    "plots": "workbench.plots:",
    "runs": "workbench.training.store:",
    "evaluation": "workbench.evaluation:",
    "notebooks": "workbench.pages.notebooks:",
    "start": "workbench.pages.start:",
    "tables": "workbench.pages.tables:",
    "claim": "workbench.pages.claims:claim",
    "widgets": "workbench.widgets:",
}

__all__ = [*_PUBLIC, "__version__"]

if TYPE_CHECKING:
    from workbench import adaptation, evaluation, methods, plots, rules, studies, widgets
    from workbench import datasets as graphs
    from workbench.contrast import Contrast
    from workbench.contrast.audit import audit
    from workbench.contrast.negatives import selection as negatives
    from workbench.datasets import load_graph
    from workbench.errors import UserError
    from workbench.evaluation import compare, evaluate, protocols
    from workbench.evaluation.neighbourhoods import neighbours
    from workbench.evaluation.quality import quality
    from workbench.evaluation.recommending import recommend, user_negatives
    from workbench.pages import notebooks, start, tables
    from workbench.pages.claims import claim
    from workbench.studies.tune import tune
    from workbench.training import store as runs
    from workbench.training.fit import fit
    from workbench.training.memory import forecast
    from workbench.training.run import Run


__getattr__ = lazily(__name__, _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)
