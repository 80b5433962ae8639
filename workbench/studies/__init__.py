"""Studies: conditions × data × seeds × protocols in, one long table out, and what can be said of it.

Importing this package is cheap: studies are read and listed without what runs them, and tables without torch.
"""

from typing import TYPE_CHECKING

from workbench.arguments import guard
from workbench.lazy import lazily
from workbench.studies import published, study
from workbench.studies.study import Claim, Condition, Study, load, names

if TYPE_CHECKING:
    from workbench.studies import execute, experiments, leaderboard, page, report, results, verdicts
    from workbench.studies.execute import run
    from workbench.studies.results import read, summary
    from workbench.studies.verdicts import claims, differences

_LAZY = {
    **{name: f"{name}:" for name in ("execute", "experiments", "leaderboard", "page", "report", "results", "verdicts")},
    **{"run": "execute:run", "read": "results:read", "summary": "results:summary"},
    **{name: f"verdicts:{name}" for name in ("claims", "differences")},
}
__getattr__ = lazily(__name__, {name: f"{__name__}.{home}" for name, home in _LAZY.items()})
__all__ = [
    "Claim",
    "Condition",
    "Study",
    "claims",
    "differences",
    "execute",
    "experiments",
    "leaderboard",
    "load",
    "names",
    "page",
    "published",
    "read",
]
__all__ += ["report", "results", "run", "study", "summary", "verdicts"]
guard(globals(), __all__)
