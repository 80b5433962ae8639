"""What each command of the command line does: call the library, print one honest result, return the exit code.

Nothing heavy is imported before a command needs it.
"""

from workbench.cli.commands.claims import claims
from workbench.cli.commands.negatives import budget, select
from workbench.cli.commands.output import FAILED, FINE, INTERRUPTED, USER_MISTAKE
from workbench.cli.commands.pages import bench, lab, notebooks
from workbench.cli.commands.rules import rules
from workbench.cli.commands.sweeps import sweep
from workbench.cli.commands.training import evaluate, fit, forecast, graphs, runs

__all__ = [
    "FAILED", "FINE", "INTERRUPTED", "USER_MISTAKE", "bench", "budget", "claims", "evaluate", "fit", "forecast",
    "graphs", "lab", "notebooks", "rules", "runs", "select", "sweep",
]  # fmt: skip
