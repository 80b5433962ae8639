"""Studies: conditions × data × seeds × protocols in, one long table out, and what can be said of it."""

from workbench.studies import execute, published, report, results, study, verdicts
from workbench.studies.execute import run
from workbench.studies.results import read, summary
from workbench.studies.study import Claim, Condition, Study, load, names
from workbench.studies.verdicts import claims, differences

__all__ = ["Claim", "Condition", "Study", "claims", "differences", "execute", "load", "names", "published", "read"]
__all__ += ["report", "results", "run", "study", "summary", "verdicts"]
